"""Which kinds of databases there are: for those who must know without opening one.

Nothing is imported here, so that a check of a configuration stays quick.
"""

#: The kinds that we can keep state in, as they stand at the beginning of a URL.
KINDS = ("sqlite", "postgresql")


def kind_of(url: str) -> str:
    """The kind of database that a URL names, without the driver."""
    return url.partition("://")[0].partition("+")[0]


def unsupported(kind: str) -> str:
    """What to tell people who want another kind."""
    return f"databases of the kind {kind!r} are not supported; use {' or '.join(KINDS)}"
