"""The version of Buildbot whose public interfaces we keep, for configurations that ask."""

version = "4.3.0"


def getVersion(init_file: str = "") -> str:
    """The version; the argument is there for compatibility."""
    return version
