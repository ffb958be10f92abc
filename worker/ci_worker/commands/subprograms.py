"""Commands that do their work by running programs."""

from collections.abc import Mapping, Sequence
from typing import Any

from ci_worker.commands.argv import command_line
from ci_worker.commands.base import Command, Place, Teller
from ci_worker.commands.environ import environment
from ci_worker.commands.limits import Limits
from ci_worker.commands.program import Program, ProgramSpec

DEFAULT_SILENCE_S = 120


class ProgramsCommand(Command):
    """Runs programs in the worker's directory; tells one exit status for all of them."""

    is_brief = False

    def __init__(self, place: Place, args: Mapping[str, Any], tell: Teller) -> None:
        super().__init__(place, args, tell)
        self._program: Program | None = None

    async def run_program(self, argv: Sequence[str]) -> int:
        """Run one program; its exit status, or -1 without running it after an interruption."""
        if self.interrupted:
            return -1
        get, place = self.args.get, self.place
        spec = ProgramSpec(
            line=command_line(list(argv)),
            workdir=place.basedir,
            env=environment(None, place.environ, place.basedir),
            limits=Limits(get("timeout", DEFAULT_SILENCE_S), get("maxTime")),
            log_environ=bool(get("logEnviron", True)),
            sends_rc=False,
        )
        self._program = Program(place, spec, self.tell)
        return await self._program.run()

    def interrupt(self) -> None:
        """Kill the program that runs."""
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
