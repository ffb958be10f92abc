"""What steps that move files between master and worker have in common."""

import os
from typing import Any

from ci_common.results import CANCELLED, FAILURE, SKIPPED, SUCCESS, WARNINGS
from ci_master.builds.buildstep import BuildStep
from ci_master.builds.faults import configFault
from ci_master.builds.remotecommand import RemoteCommand

_DONE = (SUCCESS, WARNINGS, SKIPPED)


def told_left_out(command: RemoteCommand) -> int:
    """How many entries a worker says that it did not send."""
    told = command.updates.get("left_out", [0])[-1]
    return told if isinstance(told, int) and told > 0 else 0


class TransferStep(BuildStep):
    """Base of uploads and downloads."""

    haltOnFailure = True
    flunkOnFailure = True
    _done = ""
    _left_out = 0

    def tell_what(self, doing: str, done: str, what: str) -> None:
        """Set the texts, such as "uploading x" and "uploaded x", where none are configured."""
        self.description = self.description or [doing, what]
        self._done = f"{done} {what}"

    def getResultSummary(self) -> Any:
        """What was done, if it was."""
        if self._done and not self.descriptionDone and self.results in _DONE:
            missing = f", {self._left_out} left out" if self._left_out else ""
            self.descriptionDone = [self._done + missing]
        return super().getResultSummary()

    def check_mode(self, mode: Any) -> None:
        """Report permissions that are no number."""
        if mode is not None and not isinstance(mode, int):
            configFault(
                f"'mode' is {mode!r}", "write an octal number such as 0o644, or leave it out"
            )

    async def transfer(self, name: str, args: dict[str, Any], file: Any) -> int:
        """Run a transfer; an incomplete file is dropped."""
        command = RemoteCommand(name, args)
        command.useLog(await self.addLog("stdio"), True)
        try:
            await self.runCommand(command)
        finally:
            if file is not None:
                file.abandon()
        if self.stopped:
            return CANCELLED
        return self.result_of(command, file)

    def result_of(self, command: RemoteCommand, file: Any) -> int:
        """The result of a transfer; WARNINGS if something of a directory was left out."""
        if command.didFail() or command.rc is None:
            return FAILURE
        left_out = len(getattr(file, "left_out", ())) + told_left_out(command)
        if not left_out:
            return SUCCESS
        self._left_out += left_out
        return WARNINGS

    def on_master(self, path: str) -> str:
        """A path of the master, from one relative to its directory."""
        return os.path.join(self.build.master.basedir, os.path.expanduser(path))
