"""The worker: runs commands where the master cannot. It sees nothing of ours but ``ci_common``."""

__version__ = "0.1.0"
