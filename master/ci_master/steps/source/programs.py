"""Running one program after another in a tree on the worker."""

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

from ci_common.results import FAILURE
from ci_master.builds.buildstep import BuildStepCancelled, BuildStepFailed
from ci_master.builds.remotecommand import RemoteCommand, RemoteShellCommand

_LONGEST = 120

#: how the lines begin by which Git and patch tell why they give up
_ERRORS = ("fatal:", "error:", "patch:")


class ProgramsMixin:
    """Mixed into steps of several programs, before BuildStep. All write to ``stdio_log``.

    :ivar failed_program: what the last program failed with, for people; empty if it did not.
    """

    build: Any
    failed_program = ""
    results: int | None
    timed_out: bool
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
            collectStderr=True,
            initialStdin=stdin,
        )
        remote.useLog(self.stdio_log, False)
        await self.runCommand(remote)
        if self.stopped:
            raise BuildStepCancelled
        self.failed_program = self._failure_of(command, remote) if remote.didFail() else ""
        if abandon and remote.didFail():
            raise BuildStepFailed
        return remote

    def getResultSummary(self) -> Any:
        """The step's text; after a failure with the program that failed, and why."""
        summary = super().getResultSummary()  # type: ignore[misc]  # that of BuildStep
        if self.results == FAILURE and self.failed_program and not self.timed_out:
            summary = {**summary, "step": f"{summary['step']}: {self.failed_program}"}
        return summary

    def _failure_of(self, command: list[Any], remote: RemoteShellCommand) -> str:
        """Which program failed, and what it said last: ``git fetch: fatal: ...``."""
        said = [line.strip() for line in remote.stderr.splitlines() if line.strip()]
        errors = [line for line in said if line.startswith(_ERRORS)]
        rc = remote.rc
        exit_text = f"exit {rc}" if isinstance(rc, int) and rc >= 0 else "it was killed"
        why = (errors or said or [exit_text])[-1]
        why = self.build.getProperties().cleanupTextFromSecrets(why)  # before it is cut
        if len(why) > _LONGEST:
            why = f"{why[: _LONGEST - 1]}\N{HORIZONTAL ELLIPSIS}"
        return f"{_called(command)}: {why}"


def _called(command: list[Any]) -> str:
    """Program and subcommand, without settings and arguments, which may be long or secret."""
    words = iter(str(word) for word in command)
    program = next(words)
    if program != "git":
        return program
    for word in words:
        if word == "-c":
            next(words, None)
        elif not word.startswith("-"):
            return f"git {word}"
    return program
