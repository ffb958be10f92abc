"""What all source steps have in common: which source, and a patch on top of it."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NoReturn

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from ci_common.aio import call_override
from ci_common.results import FAILURE
from ci_master.builds.buildstep import BuildStep, BuildStepCancelled, BuildStepFailed
from ci_master.builds.composite import CompositeStepMixin
from ci_master.builds.faults import configFault
from ci_master.builds.remotecommand import RemoteCommand
from ci_master.steps.source.programs import ProgramsMixin

__all__ = ["Source"]

#: Says that the tree was patched, so that the next checkout cleans it first.
PATCHED_MARK = ".buildbot-patched"


class Source(ProgramsMixin, BuildStep, CompositeStepMixin):
    """Base of source steps.

    :param mode: ``incremental`` keeps what earlier builds left, ``full`` does not.
    :type mode: string or renderable
    :param alwaysUseLatest: check out the newest revision, whatever revision the build is about.
    :param timeout: seconds without output after which a command is killed; None: never.
    :type timeout: number or None
    :param retry: (seconds to wait, number of further attempts) after a checkout failed; None:
        no further attempt.
    :type retry: pair or None
    :param env: environment of the commands.
    :type env: dictionary, renderable or None
    :param logEnviron: write the environment to the log.
    :param codebase: which codebase of the build is checked out.
    :type codebase: string or renderable
    """

    renderables = ("mode", "method", "codebase", "env")
    haltOnFailure = True
    flunkOnFailure = True
    branch: Any = None
    mode: Any = None
    method: Any = None
    _pause: Deferred[None] | None = None

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
            if leads_out(subdir):
                await self.fail(f"the patch is for {subdir[:200]!r}, which leads out of the tree")
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

    async def copy_tree(self, source: str, destination: str) -> None:
        """Replace a directory by a copy of another."""
        await self.runRmdir(destination, timeout=self.timeout)
        args = {"fromdir": source, "todir": destination, "timeout": self.timeout}
        command = RemoteCommand("cpdir", {**args, "logEnviron": self.logEnviron})
        command.useLog(self.stdio_log, False)
        await self.runCommand(command)
        if self.stopped:
            raise BuildStepCancelled
        if command.didFail():
            raise BuildStepFailed

    async def with_retries(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do it; when it fails, do it again as often as ``retry`` says."""
        delay, left = self.retry or (0, 0)
        while True:
            try:
                return await work()
            except BuildStepFailed:
                if self.stopped or left <= 0:
                    raise
            left -= 1
            again = f"trying again in {delay} s, {left} more tries after that"
            await self.stdio_log.addHeader(f"{again}\n")
            self._pause = deferLater(self.build.services.clock, delay)
            await self._pause

    def interrupt(self, reason: Any) -> Any:
        """Stop it, also while it waits to try again."""
        result = super().interrupt(reason)
        if self._pause is not None:
            self._pause.cancel()
        return result

    async def fail(self, why: str) -> NoReturn:
        """Say in the log and in the step's text what is wrong, and give up."""
        await self.stdio_log.addHeader(f"{why}\n")
        self.descriptionDone = [why]
        self.failed_program = ""
        raise BuildStepFailed

    # -- running

    async def run(self) -> int:
        """Find out which source is wanted, and get it."""
        if not self.alwaysUseLatest:
            stamp = self.build.getSourceStamp(self.codebase or "")
            self.sourcestamp = stamp
            if self.codebase and stamp is None:
                self.descriptionDone = [f"Codebase {self.codebase} not in build"]
                return FAILURE
            if stamp is not None:
                branch = stamp.branch or self.branch
                revision = stamp.revision
                if not revision and stamp.changes:
                    revision = self.computeSourceRevision(stamp.changes)
                patch = await patch_of(self.build, stamp)
            else:
                branch, revision, patch = self.branch, None, None
        else:
            branch, revision, patch = self.branch, None, None
        self.revision = revision
        self.patch = patch
        self.stdio_log = await self.addLogForRemoteCommands("stdio")
        return int(await call_override(self.run_vc, branch, revision, patch))


def leads_out(subdir: str) -> bool:
    """Whether a path, of whichever system, leads out of the directory that it starts in."""
    parts = subdir.replace("\\", "/").split("/")
    return ".." in parts or not parts[0] or ":" in parts[0] or "\0" in subdir


async def patch_of(build: Any, stamp: Any) -> tuple[int, bytes, str] | None:
    """The patch of a source stamp: level, text and subdirectory. The text may have to be read."""
    if stamp.patch is None:
        return None
    level, body, subdir = stamp.patch
    if body is None:
        body = await build.services.data.sourcestamps.patch_body(stamp.patchid)
    if not isinstance(level, int):
        raise TypeError(f"the level of patch {stamp.patchid} is {level!r}, which is no number")
    if body is None:
        raise LookupError(f"the text of patch {stamp.patchid} is not stored any more")
    return level, body.encode() if isinstance(body, str) else body, subdir
