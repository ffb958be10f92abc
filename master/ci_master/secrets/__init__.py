"""Secret providers, and the one place where used secrets are masked."""
