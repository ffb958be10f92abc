"""Steps that the tests of builds are made with."""

from collections.abc import Callable
from typing import Any

from ci_common.results import SUCCESS
from ci_master.builds.buildstep import BuildStep, ShellMixin


class Shell(ShellMixin, BuildStep):
    """Runs a program."""

    name = "shell"

    def __init__(self, **kwargs: Any) -> None:
        kwargs = self.setupShellMixin(kwargs)
        super().__init__(**kwargs)

    async def run(self) -> int:
        command = await self.makeRemoteShellCommand()
        await self.runCommand(command)
        return int(command.results())


class Doing(BuildStep):
    """Does what a function says, which gets the step."""

    def __init__(self, act: Callable[[Any], Any] = lambda step: SUCCESS, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.act = act

    def run(self) -> Any:
        return self.act(self)
