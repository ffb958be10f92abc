"""Leaving out what is not asked for: TLS costs 12 MiB of memory and 0.1 s at the start."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType

#: Modules of Twisted that look for OpenSSL when they are imported.
_LOOKERS = ("twisted.internet.tcp", "twisted.internet.endpoints")


@contextmanager
def without_tls(wanted: bool = True) -> Iterator[bool]:
    """At the end of the block, Twisted's modules are there as if OpenSSL were not installed.

    All that look for it are imported then, whether the block needed them or not: one that somebody
    needs later would find it. Sockets made by this process then know no TLS, for as long as it
    lives. Nothing happens if that is not wanted, or it is too late because those modules are there
    already.

    :returns: gives whether TLS is left out.
    """
    hidden: dict[str, ModuleType | None] = sys.modules  # type: ignore[assignment]  # None hides
    lean = wanted and "OpenSSL" not in hidden and not any(name in hidden for name in _LOOKERS)
    if lean:
        hidden["OpenSSL"] = None
    try:
        yield lean
        for name in _LOOKERS if lean else ():
            import_module(name)
    finally:
        if lean:
            del hidden["OpenSSL"]
