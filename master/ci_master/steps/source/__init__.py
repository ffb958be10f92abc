"""Steps that get the source."""
