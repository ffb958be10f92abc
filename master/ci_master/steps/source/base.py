"""What all source steps have in common: which source, and a patch on top of it."""

from collections.abc import Sequence
from typing import Any

from ci_common.results import FAILURE
from ci_master.builds.buildstep import BuildStep, BuildStepFailed
from ci_master.builds.composite import CompositeStepMixin
from ci_master.builds.faults import configFault
from ci_master.builds.remotecommand import RemoteCommand, RemoteShellCommand

__all__ = ["Source"]

#: Says that the tree was patched, so that the next checkout cleans it first.
PATCHED_MARK = ".buildbot-patched"


class Source(BuildStep, CompositeStepMixin):
    """Base of source steps.

    :param mode: ``incremental`` keeps what earlier builds left, ``full`` does not.
    :param alwaysUseLatest: ignore the revision of the source stamp.
    :param timeout: seconds without output until a command is given up.
    :param retry: (delay in seconds, how many times) to try a checkout again; None for not.
    :param env: environment of the commands.
    :param codebase: which of the build's source stamps is checked out.
    """

    renderables = ("mode", "method", "codebase", "env")
    haltOnFailure = True
    flunkOnFailure = True
    branch: Any = None
    mode: Any = None
    method: Any = None

    def __init__(
        self,
        workdir: Any = None,
        mode: Any = "update",
        alwaysUseLatest: bool = False,
        timeout: float | None = 20 * 60,
        retry: tuple[float, int] | None = None,
        env: Any = None,
        logEnviron: bool = True,
        description: Any = None,
        descriptionDone: Any = None,
        descriptionSuffix: Any = None,
        codebase: Any = "",
        **kwargs: Any,
    ) -> None:
        if not (
            retry is None or (isinstance(retry, tuple | list) and len(retry) == 2 and retry[1] >= 0)
        ):
            configFault(f"'retry' is {retry!r}", "write (delay in seconds, how many times)")
        self.suffix_given = bool(descriptionSuffix)
        super().__init__(
            workdir=workdir,
            description=description or ["updating"],
            descriptionDone=descriptionDone or ["update"],
            descriptionSuffix=descriptionSuffix,
            **kwargs,
        )
        self.mode = mode
        self.alwaysUseLatest = alwaysUseLatest
        self.timeout = timeout
        self.retry = retry
        self.env: Any = env
        self.logEnviron = logEnviron
        self.codebase = codebase
        if isinstance(codebase, str) and codebase:
            self.name = f"{self.name}-{codebase}"
            if not self.suffix_given:
                self.descriptionSuffix = codebase
        self.sourcestamp: Any = None
        self.revision: str | None = None
        self.patch: Any = None
        self.stdio_log: Any = None

    # -- to be overridden

    def computeSourceRevision(self, changes: Sequence[Any]) -> str | None:
        """The revision that contains all of these changes; None if that can't be told."""
        return None

    async def run_vc(self, branch: str | None, revision: str | None, patch: Any) -> int:
        """Get this revision of this branch."""
        raise NotImplementedError(f"{type(self).__name__} does not define run_vc()")

    # -- what they use

    def updateSourceProperty(self, name: str, value: Any, source: str = "") -> None:
        """Set a property that is a dict by codebase, if this step has a codebase."""
        source = source or type(self).__name__
        if self.codebase:
            known = self.build.getProperty(name, {})
            value = {**(known if isinstance(known, dict) else {}), self.codebase: value}
        self.setProperty(name, value, source)

    async def sourcedirIsPatched(self) -> bool:
        """Whether an earlier build left a patched tree."""
        return bool(await self.pathExists(self.build.path_module.join(self.workdir, PATCHED_MARK)))

    async def applyPatch(self, patch: tuple[int, bytes, str | None]) -> None:
        """Put a patch (level, text, subdirectory) on top of the tree."""
        level, body, subdir = patch
        workdir = self.workdir
        if subdir:
            workdir = self.build.path_module.join(workdir, subdir)
        await self.downloadFileContentToWorker(
            ".buildbot-diff", body, abandonOnFailure=True, workdir=workdir
        )
        await self.downloadFileContentToWorker(PATCHED_MARK, "patched\n", abandonOnFailure=True)
        command = [
            "patch", f"-p{level}", "--remove-empty-files", "--force", "--forward",
            "-i", ".buildbot-diff",
        ]  # fmt: skip
        await self.run_program(command, workdir=workdir)
        await self.runRmFile(
            self.build.path_module.join(workdir, ".buildbot-diff"), abandonOnFailure=True
        )

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
            raise BuildStepFailed
        if abandon and remote.didFail():
            raise BuildStepFailed
        return remote

    async def copy_tree(self, source: str, destination: str) -> None:
        """Replace a directory by a copy of another."""
        await self.runRmdir(destination, timeout=self.timeout)
        args = {"fromdir": source, "todir": destination, "timeout": self.timeout}
        command = RemoteCommand("cpdir", {**args, "logEnviron": self.logEnviron})
        command.useLog(self.stdio_log, False)
        await self.runCommand(command)
        if command.didFail():
            raise BuildStepFailed

    # -- running

    async def run(self) -> int:
        """Find out which source is wanted, and get it."""
        if not self.alwaysUseLatest:
            stamp = self.build.getSourceStamp(self.codebase or "")
            self.sourcestamp = stamp
            if self.codebase and not stamp:
                self.descriptionDone = [f"Codebase {self.codebase} not in build"]
                return FAILURE
            if stamp:
                branch = stamp.branch or self.branch
                revision = stamp.revision
                if not revision and stamp.changes:
                    revision = self.computeSourceRevision(stamp.changes)
                patch = None
                if stamp.patch is not None:
                    patch = (stamp.patch[0], stamp.patch[1], stamp.patch[2])
            else:
                branch, revision, patch = self.branch, None, None
        else:
            branch, revision, patch = self.branch, None, None
        self.revision = revision
        self.patch = patch
        self.stdio_log = await self.addLogForRemoteCommands("stdio")
        return await self.run_vc(branch, revision, patch)
