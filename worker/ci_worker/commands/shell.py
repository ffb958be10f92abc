"""``shell``: run a program or a shell line in the builder's directory."""

import os
from collections.abc import Mapping
from typing import Any

from ci_worker.commands.argv import command_line
from ci_worker.commands.base import Command, Place, Teller
from ci_worker.commands.environ import environment
from ci_worker.commands.limits import Limits
from ci_worker.commands.program import Program, ProgramSpec


class Shell(Command):
    """Run a program; its output, exit status and log files go to the master."""

    name = "shell"
    required = ("workdir", "command")
    is_brief = False

    def __init__(self, place: Place, args: Mapping[str, Any], tell: Teller) -> None:
        super().__init__(place, args, tell)
        self._program: Program | None = None

    async def run(self) -> None:
        """Run it; the directory is made if there is none."""
        spec = self._spec()
        os.makedirs(spec.workdir, exist_ok=True)
        self._program = Program(self.place, spec, self.tell)
        await self._program.run()

    def interrupt(self) -> None:
        """Kill the program and what it started."""
        if self._program is not None:
            self._program.stop()

    def hurry(self, most_s: float) -> None:
        """Kill what has not ended after so many seconds."""
        if self._program is not None:
            self._program.hurry(most_s)

    @property
    def stop_limit_s(self) -> float:
        """As long as the program may take."""
        return super().stop_limit_s if self._program is None else self._program.stop_limit_s

    def _spec(self) -> ProgramSpec:
        get = self.args.get
        workdir = os.path.normpath(os.path.join(self.place.builder_dir, self.args["workdir"]))
        stdin = get("initial_stdin")
        return ProgramSpec(
            line=command_line(self.args["command"]),
            workdir=workdir,
            env=environment(get("env"), self.place.environ, workdir),
            limits=Limits(get("timeout"), get("maxTime"), get("max_lines")),
            logfiles=get("logfiles") or {},
            initial_stdin=stdin.encode("utf-8") if isinstance(stdin, str) else stdin,
            want_stdout=bool(get("want_stdout", True)),
            want_stderr=bool(get("want_stderr", True)),
            use_pty=bool(get("usePTY", False)),
            log_environ=bool(get("logEnviron", True)),
            sigterm_time_s=get("sigtermTime"),
            interrupt_signal=get("interruptSignal") or "KILL",
        )
