"""A mistake of the person at the command line, shown to them as it is written."""


class Problem(Exception):
    """What went wrong and what to do about it, in one or two sentences."""
