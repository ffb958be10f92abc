"""What answers each path of the REST API: :mod:`.reader` finds and runs it."""
