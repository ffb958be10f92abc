"""The conversation with the master: dial, log in, be told what to do, stay reachable."""
