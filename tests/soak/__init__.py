"""Long proofs: a farm under random trouble, and what must hold all the while."""
