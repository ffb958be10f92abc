"""Process trees: start a program in a session of its own, find its descendants, kill them whole."""
