"""Change hooks: what forges and scripts tell us over HTTP."""
