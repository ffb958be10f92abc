"""What both daemons must agree on; imports nothing else of this project."""
