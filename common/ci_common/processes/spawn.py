"""Start a program in a session of its own, on whatever system this is."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet.interfaces import IProcessProtocol


def spawn_in_session(
    reactor: Any,
    protocol: IProcessProtocol,
    argv: Sequence[str | bytes],
    *,
    env: Mapping[str, str],
    cwd: str,
    use_pty: bool = False,
    with_stdin: bool = False,
) -> Any:
    """Start ``argv`` with its output connected to ``protocol``.

    :param reactor: what runs; its handler for ended children must be installed.
    :param use_pty: give it a terminal; its standard error then arrives as output.
    :param with_stdin: connect its standard input too, else that is empty.
    :returns: the process transport, which has a ``pid``, ``pauseProducing`` and
        ``resumeProducing``.
    :raises OSError: if the program cannot be executed. With a terminal the child says so on its
        output instead, and ends with status 1.
    """
    if os.name != "posix" or use_pty:
        return reactor.spawnProcess(
            protocol, argv[0], argv, env=dict(env), path=cwd, usePTY=use_pty and os.name == "posix"
        )
    from ci_common.processes.posix import SessionProcess, null_input

    streams = {0: "w" if with_stdin else null_input(), 1: "r", 2: "r"}
    return SessionProcess(reactor, argv[0], argv, env, cwd, protocol, childFDs=streams)
