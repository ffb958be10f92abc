"""The command ``ci-worker``: make a worker's directory, start it, stop it."""
