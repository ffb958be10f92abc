"""Check out with Git."""

from collections.abc import Sequence
from typing import Any

from twisted.internet.task import deferLater

from ci_common.results import SUCCESS
from ci_master.builds.buildstep import BuildStepFailed
from ci_master.builds.faults import configFault
from ci_master.builds.remotecommand import RemoteShellCommand
from ci_master.steps.source.base import Source
from ci_master.steps.source.gitauth import GitAccess

__all__ = ["Git", "GitHub", "GitLab"]

#: Options of ``git describe`` that are switches, and those that take a value.
_DESCRIBE_SWITCHES = ("all", "always", "contains", "debug", "long", "tags", "exact-match",
                      "first-parent")  # fmt: skip
_DESCRIBE_VALUES = ("match", "exclude", "abbrev", "candidates", "dirty")

_MODES = ("incremental", "full")
_METHODS = ("clean", "fresh", "clobber", "copy")


class Git(Source):
    """Check out a revision with Git.

    :param repourl: where the repository is.
    :param branch: what to check out if the source stamp names no branch.
    :param mode: ``incremental`` or ``full``.
    :param method: of mode full: ``fresh`` removes all that is not tracked, ``clean`` keeps
        what is ignored, ``clobber`` clones anew, ``copy`` updates a clone and copies it.
    :param reference: a repository on the worker from which objects are taken.
    :param submodules: check out submodules too; ``remoteSubmodules``: at their newest.
    :param tags: fetch tags.
    :param shallow: True or a depth; only for method clobber.
    :param filters: list of filters of partial clones, such as ``blob:none``.
    :param progress: let Git show its progress.
    :param retryFetch: when a fetch fails, fetch once more.
    :param clobberOnFailure: when a fetch or checkout fails, clone anew.
    :param getDescription: True, or a dict of options of ``git describe``; sets the property
        ``commit-description``.
    :param config: settings passed by ``-c``.
    :param origin: name of the remote.
    """

    name = "git"
    renderables = ("branch", "origin", "reference", "repourl")

    def __init__(
        self,
        repourl: Any = None,
        port: int = 22,
        branch: Any = "HEAD",
        mode: Any = "incremental",
        method: Any = None,
        reference: Any = None,
        submodules: bool = False,
        remoteSubmodules: bool = False,
        tags: bool = False,
        shallow: Any = False,
        filters: Sequence[str] | None = None,
        progress: bool = True,
        retryFetch: bool = False,
        clobberOnFailure: bool = False,
        getDescription: Any = False,
        config: dict[str, str] | None = None,
        origin: Any = None,
        sshPrivateKey: Any = None,
        sshHostKey: Any = None,
        sshKnownHosts: Any = None,
        auth_credentials: Any = None,
        git_credentials: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(mode=mode, **kwargs)
        self.repourl = repourl
        self.branch = branch
        self.method = method
        self.reference = reference
        self.submodules = submodules
        self.remoteSubmodules = remoteSubmodules
        self.tags = tags
        self.shallow = shallow
        self.filters = filters
        self.prog = progress
        self.retryFetch = retryFetch
        self.clobberOnFailure = clobberOnFailure
        self.getDescription = getDescription
        self.config = config
        self.origin = origin
        self.git_credentials = git_credentials
        self.access = GitAccess(sshPrivateKey, sshHostKey, sshKnownHosts, auth_credentials, port)
        self._check()
        self.srcdir = "source"
        self.own_env: dict[str, Any] = {}

    def _check(self) -> None:
        if not self.repourl:
            configFault("a Git step names no repository", "write repourl='https://...'")
        if isinstance(self.mode, str) and self.mode not in _MODES:
            configFault(f"'mode' of a Git step is {self.mode!r}", f"write one of {_MODES}")
        if isinstance(self.method, str):
            if self.method not in _METHODS:
                configFault(f"'method' of a Git step is {self.method!r}", f"one of {_METHODS}")
            if self.shallow and (self.mode, self.method) != ("full", "clobber"):
                configFault(
                    "'shallow' of a Git step needs mode='full' and method='clobber'",
                    "a clone that is kept cannot stay shallow",
                )
        if not isinstance(self.getDescription, bool | dict):
            configFault("'getDescription' of a Git step is neither True nor a dict")
        elif isinstance(self.getDescription, dict):
            known = (*_DESCRIBE_SWITCHES, *_DESCRIBE_VALUES)
            unknown = sorted(set(self.getDescription) - set(known))
            if unknown:
                configFault(f"git describe has no options {unknown}", f"known: {known}")

    # -- the checkout

    async def run_vc(self, branch: str | None, revision: str | None, patch: Any) -> int:
        """Get the source, then describe and patch it."""
        self.own_env = dict(self.env or {})
        self.branch = branch or "HEAD"
        self.revision = revision
        if self.mode == "full" and self.method is None:
            self.method = "fresh"
        try:
            await self.access.put(self)
            self.env = {**self.own_env, **self.access.environment(self)}
            if await self.sourcedirIsPatched():
                await self._git(["clean", "-f", "-f", "-d", "-x"])
            await self._get_with_retries()
            if patch is not None:
                await self.applyPatch(patch)
            await self.parseGotRevision()
            await self.parseCommitDescription()
        finally:
            await self.access.remove(self)
        return SUCCESS

    async def _get_with_retries(self) -> None:
        tries = 1 + (self.retry[1] if self.retry else 0)
        for attempt in range(tries):
            try:
                if self.mode == "incremental":
                    await self._incremental(self.workdir)
                else:
                    await self._full()
                return
            except BuildStepFailed:
                if self.stopped or attempt + 1 == tries:
                    raise
                assert self.retry is not None
                delay = self.retry[0]
                await self.stdio_log.addHeader(f"trying again in {delay} s\n")
                await deferLater(self.build.services.clock, delay)

    async def _full(self) -> None:
        if self.method == "clobber":
            await self._clobber()
        elif self.method == "copy":
            await self.runRmdir(self.workdir, timeout=self.timeout)
            tree, target = self.srcdir, self.workdir
            self._workdir = tree
            try:
                await self._incremental(tree)
            finally:
                self._workdir = target
            await self.copy_tree(tree, target)
        elif not await self._is_checkout():
            await self._clobber()
        else:
            await self._clean_and_fetch(["-x"] if self.method == "fresh" else [])

    async def _clean_and_fetch(self, also: list[str]) -> None:
        cleaned = await self._git(["clean", "-f", "-f", "-d", *also], abandon=False)
        if cleaned.didFail():
            await self._clobber()
            return
        await self._fetch_or_fallback()
        if self.submodules:
            await self._sync_submodules()
            await self._git(
                [
                    "submodule",
                    "foreach",
                    "--recursive",
                    f"git clean -f -f -d {' '.join(also)}".strip(),
                ]
            )

    async def _incremental(self, tree: str) -> None:
        if not await self._is_checkout():
            await self._clobber()
            return
        await self._fetch_or_fallback()
        if self.submodules:
            await self._sync_submodules()

    async def _is_checkout(self) -> bool:
        return bool(await self.pathExists(self.build.path_module.join(self.workdir, ".git")))

    async def _clobber(self) -> None:
        await self.runRmdir(self.workdir, timeout=self.timeout)
        await self._clone()
        if self.submodules:
            args = ["submodule", "update", "--init", "--recursive"]
            if self.remoteSubmodules:
                args.append("--remote")
            await self._git(args)

    async def _clone(self) -> None:
        args = ["clone"]
        if self.branch != "HEAD" and not self._is_ref:
            args += ["--branch", self.branch]
        if self.shallow:
            args += ["--depth", str(1 if self.shallow is True else int(self.shallow))]
        if self.reference:
            args += ["--reference", self.reference]
        if self.origin:
            args += ["--origin", self.origin]
        for one in self.filters or ():
            args += ["--filter", one]
        args += [self.repourl, "."]
        if self.prog:
            args.append("--progress")
        await self.runMkdir(self.workdir)
        tries = 2 if self.retryFetch else 1
        for attempt in range(tries):
            cloned = await self._git(args, abandon=attempt + 1 == tries)
            if not cloned.didFail():
                break
        if self._is_ref:
            await self._fetch()
        elif self.revision:
            await self._checkout_revision(fetched=True)

    @property
    def _is_ref(self) -> bool:
        """Whether the branch is a full reference, such as a pull request's."""
        return str(self.branch).startswith("refs/")

    async def _fetch_or_fallback(self) -> None:
        """Fetch and check out; clone anew if that fails and may be done."""
        try:
            await self._fetch_as_needed()
        except BuildStepFailed:
            if self.stopped or not self.clobberOnFailure:
                raise
            await self._clobber()

    async def _fetch_as_needed(self) -> None:
        if self.revision and not self.tags:
            known = await self._git(["cat-file", "-e", self.revision], abandon=False)
            if known.rc == 0:
                await self._checkout_revision(fetched=False)
                return
        await self._fetch()

    async def _fetch(self) -> None:
        args = ["fetch", "-f", "--tags" if self.tags else "-t"]
        if self.shallow:
            args += ["--depth", str(1 if self.shallow is True else int(self.shallow))]
        for one in self.filters or ():
            args += ["--filter", one]
        args += [self.repourl, self.branch]
        if self.prog:
            args.append("--progress")
        tries = 2 if self.retryFetch else 1
        for attempt in range(tries):
            fetched = await self._git(args, abandon=attempt + 1 == tries)
            if not fetched.didFail():
                break
        await self._checkout_revision(fetched=True)

    async def _checkout_revision(self, *, fetched: bool) -> None:
        target = self.revision or "FETCH_HEAD"
        checked_out = await self._git(["checkout", "-f", target], abandon=False)
        if checked_out.didFail() and self.revision and fetched:
            # The revision is on none of the fetched branch's commits: ask for it by name.
            await self._git(["fetch", "-f", self.repourl, self.revision])
            await self._git(["checkout", "-f", self.revision])
        elif checked_out.didFail():
            raise BuildStepFailed
        if self.branch != "HEAD" and not self._is_ref:
            await self._git(["checkout", "-B", self.branch])

    async def _sync_submodules(self) -> None:
        await self._git(["submodule", "sync"])
        args = ["submodule", "update", "--init", "--recursive", "--force"]
        if self.remoteSubmodules:
            args.append("--remote")
        await self._git(args)

    async def _git(
        self, args: list[str], *, collect: bool = False, abandon: bool = True
    ) -> RemoteShellCommand:
        command: list[Any] = ["git"]
        for key, value in (self.config or {}).items():
            command += ["-c", f"{key}={value}"]
        return await self.run_program([*command, *args], collect=collect, abandon=abandon)

    # -- what was got

    async def parseGotRevision(self) -> None:
        """Set the property ``got_revision``."""
        command = await self._git(["rev-parse", "HEAD"], collect=True)
        revision = command.stdout.strip()
        if len(revision) != 40:
            raise BuildStepFailed
        self.updateSourceProperty("got_revision", revision)

    async def parseCommitDescription(self) -> None:
        """Set the property ``commit-description``, if it is wanted."""
        if self.getDescription is False:
            return
        args = ["describe"]
        if isinstance(self.getDescription, dict):
            for name, value in self.getDescription.items():
                if name in _DESCRIBE_SWITCHES and value:
                    args.append(f"--{name}")
                elif name == "dirty" and value is True:
                    args.append("--dirty")
                elif name in _DESCRIBE_VALUES and value is not None:
                    args.append(f"--{name}={value}")
        if "--dirty" not in " ".join(args):
            args.append("HEAD")
        command = await self._git(args, collect=True, abandon=False)
        if command.rc == 0 and command.stdout.strip():
            self.updateSourceProperty("commit-description", command.stdout.strip())


class GitHub(Git):
    """Check out from GitHub; branches ``refs/pull/N/merge`` and ``/head`` are pull requests."""

    name = "github"

    async def run_vc(self, branch: str | None, revision: str | None, patch: Any) -> int:
        """A pull request's merge is checked out as it is now: its commit changes with the base."""
        if branch and branch.startswith("refs/pull/") and branch.endswith("/merge"):
            revision = None
        return await super().run_vc(branch, revision, patch)


class GitLab(Git):
    """Check out from GitLab; a merge request's source may be in a fork."""

    name = "gitlab"

    async def run_vc(self, branch: str | None, revision: str | None, patch: Any) -> int:
        """A merge request is merged into its target before it is checked out."""
        source_branch = self.build.getProperty("source_branch", None)
        source_url = self.build.getProperty("source_git_ssh_url", None)
        result = await super().run_vc(branch, revision if not source_branch else None, patch)
        if source_branch and source_url:
            await self._git(["fetch", source_url, source_branch])
            await self._git(["merge", "FETCH_HEAD"])
            await self.parseGotRevision()
        return result
