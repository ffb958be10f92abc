"""The resource model that everyone reads, and the acts that change it."""
