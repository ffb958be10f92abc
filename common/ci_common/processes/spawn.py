"""Start a program in a session of its own, on whatever system this is."""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet.interfaces import IProcessProtocol

from ci_common.processes.identity import MARK_VARIABLE
from ci_common.processes.records import ProcessRecords, new_mark
from ci_common.processes.tree import ProcessTree


def spawn_in_session(
    reactor: Any,
    protocol: IProcessProtocol,
    argv: Sequence[str] | str,
    *,
    env: Mapping[str, str],
    cwd: str,
    use_pty: bool = False,
    with_stdin: bool = False,
    records: ProcessRecords | None = None,
) -> ProcessTree:
    """Start ``argv`` with its output connected to ``protocol``.

    :param reactor: what runs; its handler for ended children must be installed.
    :param argv: the program and its arguments; on Windows a string is a whole command line.
    :param use_pty: give it a terminal, where the system has such; its standard error then arrives
        as output.
    :param with_stdin: connect its standard input too, else that is empty.
    :param records: where it is written down while it runs.
    :returns: the program with all that it will start. Its ``close`` has to be called when the
        program has ended.
    :raises OSError: if the program cannot be executed. With a terminal the child says so on its
        output instead, and ends with status 1.
    """
    mark = new_mark()
    variables = {**env, MARK_VARIABLE: mark}
    if records is not None:
        records.starts(mark)
    try:
        if os.name == "posix" and sys.platform != "win32":
            from ci_common.processes import posix as system
        else:
            from ci_common.processes import windows as system  # type: ignore[no-redef]
        tree = system.spawn(
            reactor,
            protocol,
            argv,
            env=variables,
            cwd=cwd,
            use_pty=use_pty,
            with_stdin=with_stdin,
            mark=mark,
        )
    except BaseException:
        if records is not None:
            records.ended(mark)
        raise
    if records is not None:
        records.runs(mark, tree)
        tree.on_close = lambda: records.ended(mark)
    return tree
