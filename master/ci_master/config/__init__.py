"""What master.cfg says: loading it, checking it, and comparing one load with the next."""
