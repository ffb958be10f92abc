"""Running one program after another in a tree on the worker."""

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

from ci_master.builds.buildstep import BuildStepCancelled, BuildStepFailed
from ci_master.builds.remotecommand import RemoteCommand, RemoteShellCommand


class ProgramsMixin:
    """Mixed into steps of several programs, before BuildStep. All write to ``stdio_log``."""

    env: Any
    logEnviron: Any
    timeout: Any
    stopped: bool
    workdir: Any
    stdio_log: Any = None
    runCommand: Callable[[RemoteCommand], Deferred[Any]]

    async def run_program(
        self,
        command: list[Any],
        *,
        workdir: str | None = None,
        collect: bool = False,
        abandon: bool = True,
        stdin: str | None = None,
    ) -> RemoteShellCommand:
        """Run a program in the tree.

        :param abandon: raise BuildStepFailed if it fails.
        """
        remote = RemoteShellCommand(
            self.workdir if workdir is None else workdir,
            command,
            env=self.env,
            logEnviron=self.logEnviron,
            timeout=self.timeout,
            collectStdout=collect,
            initialStdin=stdin,
        )
        remote.useLog(self.stdio_log, False)
        await self.runCommand(remote)
        if self.stopped:
            raise BuildStepCancelled
        if abandon and remote.didFail():
            raise BuildStepFailed
        return remote
