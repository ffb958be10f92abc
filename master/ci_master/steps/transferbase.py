"""What steps that move files between master and worker have in common."""

import os
from typing import Any

from ci_common.results import CANCELLED, FAILURE, SKIPPED, SUCCESS
from ci_master.builds.buildstep import BuildStep
from ci_master.builds.faults import configFault
from ci_master.builds.remotecommand import RemoteCommand


class TransferStep(BuildStep):
    """Base of uploads and downloads."""

    haltOnFailure = True
    flunkOnFailure = True
    _done = ""

    def tell_what(self, doing: str, done: str, what: str) -> None:
        """Set the texts, such as "uploading x" and "uploaded x", where none are configured."""
        self.description = self.description or [doing, what]
        self._done = f"{done} {what}"

    def getResultSummary(self) -> Any:
        """What was done, if it was."""
        if self._done and not self.descriptionDone and self.results in (SUCCESS, SKIPPED):
            self.descriptionDone = [self._done]
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
        if command.didFail() or command.rc is None:
            return FAILURE
        return SUCCESS

    def on_master(self, path: str) -> str:
        """A path of the master, from one relative to its directory."""
        return os.path.join(self.build.master.basedir, os.path.expanduser(path))
