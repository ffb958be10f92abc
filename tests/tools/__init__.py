"""Tools for people who work on the project: they are run by hand, and used by tests."""
