"""What this machine is, as far as a master wants to know."""
