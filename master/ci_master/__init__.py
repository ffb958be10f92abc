"""The master: decides what is built, where and when, and keeps what came of it."""

__version__ = "0.1.0"
