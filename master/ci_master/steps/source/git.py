"""Check out with Git."""

from collections.abc import Sequence
from typing import Any

from ci_common.numbers import whole_number
from ci_common.results import SUCCESS
from ci_master.builds.buildstep import BuildStepFailed
from ci_master.builds.faults import configFault
from ci_master.steps.source.base import Source
from ci_master.steps.source.gitauth import GitAccess
from ci_master.steps.source.gitcommand import GitCommands
from ci_master.steps.source.gitdescribe import check_description, describe_arguments
from ci_master.steps.source.gitnames import why_no_address, why_no_branch, why_no_revision

__all__ = ["Gerrit", "Git", "GitHub", "GitLab"]

_MODES = ("incremental", "full")
_METHODS = ("clean", "fresh", "clobber", "copy")


class Git(GitCommands, Source):
    """Check out a revision with Git.

    :param repourl: the URL of the repository, as ``git clone`` takes it.
    :type repourl: string or renderable
    :param branch: the branch that is checked out where the build names none.
    :type branch: string or renderable
    :param method: how mode ``full`` cleans up: ``fresh`` removes all that is not tracked,
        ``clean`` keeps ignored files, ``clobber`` clones again, ``copy`` updates a clone and
        works in a copy of it. None: ``fresh``.
    :type method: string, renderable or None
    :param reference: path of a repository on the worker whose objects a clone shares.
    :type reference: string, renderable or None
    :param submodules: check out submodules too.
    :param remoteSubmodules: check out submodules at the newest revision of their remote branch;
        used with ``submodules``.
    :param tags: fetch tags too.
    :param shallow: clone without history (True), or with so many commits of it; only with
        ``mode="full"`` and ``method="clobber"``.
    :type shallow: True, False or whole number
    :param filters: filters of partial clones, such as ``blob:none``.
    :type filters: list or None
    :param progress: let Git show its progress.
    :param retryFetch: when a fetch fails, fetch once more.
    :param clobberOnFailure: when a fetch or checkout fails, clone again.
    :param getDescription: run ``git describe``, with these options, and set the property
        ``commit-description``.
    :type getDescription: True, False or dictionary
    :param config: settings that Git gets by ``-c``.
    :type config: dictionary or None
    :param origin: name of the remote; None leaves it to Git: ``origin``.
    :type origin: string, renderable or None
    :param mode: ``incremental`` or ``full``.
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
        #: written out in the configuration, and so not made of what comes from elsewhere
        self._address_is_configured = isinstance(repourl, str)
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
        self.access = GitAccess(
            sshPrivateKey, sshHostKey, sshKnownHosts, auth_credentials, port, git_credentials
        )
        self._check()
        self.srcdir = "source"

    def _check(self) -> None:
        if not self.repourl:
            configFault("a Git step names no repository", "write repourl='https://...'")
        if isinstance(self.mode, str) and self.mode not in _MODES:
            configFault(f"'mode' of a Git step is {self.mode!r}", f"write one of {_MODES}")
        if isinstance(self.method, str):
            if self.method not in _METHODS:
                configFault(
                    f"'method' of a Git step is {self.method!r}", f"write one of {_METHODS}"
                )
            elif self.shallow and (self.mode, self.method) != ("full", "clobber"):
                configFault(
                    "'shallow' of a Git step needs mode='full' and method='clobber'",
                    "a clone that is kept cannot stay shallow",
                )
        check_description(self.getDescription)

    # -- the checkout

    async def run_vc(self, branch: str | None, revision: str | None, patch: Any) -> int:
        """Get the source, then describe and patch it."""
        self.branch = branch or "HEAD"
        self.revision = revision
        if self.mode == "full" and self.method is None:
            self.method = "fresh"
        await self._check_names(self.repourl, self.branch, revision)
        await self.access.put(self)
        try:
            self.env = {**self.stay_inside(), **(self.env or {}), **self.access.environment(self)}
            if self.method not in ("clobber", "copy") and await self.sourcedirIsPatched():
                await self.git(["clean", "-f", "-f", "-d", "-x"], abandon=False)
            await self.with_retries(self._get)
            if patch is not None:
                await self.applyPatch(patch)
            await self.parseGotRevision()
            await self.parseCommitDescription()
        finally:
            await self.access.remove(self)
        return SUCCESS

    async def _check_names(self, url: Any, branch: Any, revision: Any = None) -> None:
        """Fail if one of these, which may come from anybody, is none that Git may be given."""
        address = str(url)
        wrong = [
            ("branch", branch, why_no_branch(str(branch))),
            ("revision", revision, why_no_revision(str(revision)) if revision else ""),
            ("repository", url, why_no_address(address, configured=self._address_is_configured)),
        ]
        for what, value, reason in wrong:
            if reason:
                await self.fail(f"there is no {what} {str(value)[:200]!r}: {reason}")

    async def _get(self) -> None:
        if self.mode == "incremental":
            await self._incremental()
        elif self.method == "clobber":
            await self._clobber()
        elif self.method == "copy":
            await self._copy()
        elif await self._is_checkout():
            await self._clean_and_fetch(["-x"] if self.method == "fresh" else [])
        else:
            await self._clobber()

    async def _copy(self) -> None:
        target = self.workdir
        await self.runRmdir(target, timeout=self.timeout)
        self.workdir = self.srcdir
        try:
            await self._incremental()
        finally:
            self.workdir = target
        await self.copy_tree(self.srcdir, target)

    async def _clean_and_fetch(self, also: list[str]) -> None:
        clean = ["clean", "-f", "-f", "-d", *also]
        if (await self.git(clean, abandon=False)).didFail():
            await self._clobber()
            return
        await self._fetch_or_fallback()
        if self.submodules:
            await self.git(["submodule", "foreach", "--recursive", " ".join(["git", *clean])])

    async def _incremental(self) -> None:
        if await self._is_checkout():
            await self._fetch_or_fallback()
        else:
            await self._clobber()

    async def _is_checkout(self) -> bool:
        return bool(await self.pathExists(self.build.path_module.join(self.workdir, ".git")))

    async def _clobber(self) -> None:
        await self.runRmdir(self.workdir, timeout=self.timeout)
        await self._clone()
        if self.submodules:
            await self._update_submodules()

    async def _clone(self) -> None:
        args = ["clone"]
        if self.branch != "HEAD" and not self._is_ref:
            args += ["--branch", self.branch]
        args += self._depth_and_filters()
        if self.reference:
            args += ["--reference", self.reference]
        if self.origin:
            args += ["--origin", self.origin]
        await self.runMkdir(self.workdir)
        cloned = await self._twice_if_wanted(self._with_progress([*args, self.repourl, "."]))
        if cloned.didFail():
            raise BuildStepFailed
        if self._is_ref:
            await self._fetch()
        elif self.revision:
            await self._checkout_revision()

    def _depth_and_filters(self) -> list[str]:
        args = []
        if self.shallow:
            args += ["--depth", str(1 if self.shallow is True else int(self.shallow))]
        for one in self.filters or ():
            args += ["--filter", one]
        return args

    def _with_progress(self, args: list[str]) -> list[str]:
        return [*args, "--progress"] if self.prog else args

    async def _twice_if_wanted(self, args: list[str]) -> Any:
        command = await self.git(args, abandon=False)
        if command.didFail() and self.retryFetch:
            command = await self.git(args, abandon=False)
        return command

    @property
    def _is_ref(self) -> bool:
        """Whether the branch is a full reference, such as a pull request's."""
        return str(self.branch).startswith("refs/")

    async def _fetch_or_fallback(self) -> None:
        """Fetch and check out; clone anew if that fails and may be done."""
        try:
            await self._fetch_as_needed()
            if self.submodules:
                await self.git(["submodule", "sync"])
                await self._update_submodules("--force")
        except BuildStepFailed:
            if not self.clobberOnFailure:
                raise
            await self._clobber()

    async def _fetch_as_needed(self) -> None:
        if self.revision and not self.tags:
            known = await self.git(["cat-file", "-e", self.revision], abandon=False)
            if known.rc == 0:
                await self._checkout(self.revision)
                return
        await self._fetch()

    async def _fetch(self) -> None:
        args = ["fetch", "-f", *(["--tags"] if self.tags else []), *self._depth_and_filters()]
        args = self._with_progress([*args, self.repourl, self.branch])
        fetched = await self._twice_if_wanted(args)
        if self.revision:  # it may be there although its branch is gone
            await self._checkout_revision()
        elif fetched.didFail():
            raise BuildStepFailed
        else:
            await self._checkout("FETCH_HEAD")

    async def _checkout_revision(self) -> None:
        """Check out the wanted revision, which may be on none of the commits fetched so far."""
        assert self.revision is not None
        known = await self.git(["cat-file", "-e", f"{self.revision}^{{commit}}"], abandon=False)
        if known.rc == 0:
            await self._checkout(self.revision)
            return
        fetch = ["fetch", "-f", *self._depth_and_filters(), self.repourl, self.revision]
        if (await self.git(fetch, abandon=False)).didFail():
            await self.fail(f"revision {self.revision} not found in {self.repourl}")
        await self._checkout("FETCH_HEAD")

    async def _checkout(self, target: str) -> None:
        await self.git(["checkout", "-f", target])
        if self.branch != "HEAD" and not self._is_ref:
            await self.git(["checkout", "-B", self.branch])

    async def _update_submodules(self, *more: str) -> None:
        args = ["submodule", "update", "--init", "--recursive", *more]
        if self.remoteSubmodules:
            args.append("--remote")
        await self.git(args)

    # -- what was got

    async def parseGotRevision(self) -> None:
        """Set the property ``got_revision``."""
        command = await self.git(["rev-parse", "HEAD"], collect=True)
        revision = command.stdout.strip()
        if len(revision) not in (40, 64):
            await self.fail(f"Git tells no revision, but {revision[:80]!r}")
        self.updateSourceProperty("got_revision", revision)

    async def parseCommitDescription(self) -> None:
        """Set the property ``commit-description``, if it is wanted."""
        if self.getDescription is False:
            return
        args = describe_arguments(self.getDescription)
        command = await self.git(args, collect=True, abandon=False)
        if command.rc == 0 and command.stdout.strip():
            self.updateSourceProperty("commit-description", command.stdout.strip())


class GitHub(Git):
    """Check out from GitHub; branches ``refs/pull/N/merge`` and ``/head`` are pull requests."""

    async def run_vc(self, branch: str | None, revision: str | None, patch: Any) -> int:
        """A pull request's merge is checked out as it is now: its commit changes with the base."""
        if branch and branch.startswith("refs/pull/") and branch.endswith("/merge"):
            revision = None
        return await super().run_vc(branch, revision, patch)


class GitLab(Git):
    """Check out from GitLab; a merge request's source may be in a fork."""

    async def run_vc(self, branch: str | None, revision: str | None, patch: Any) -> int:
        """A merge request is merged into its target before it is checked out."""
        source_branch = self.build.getProperty("source_branch", None)
        source_url = self.build.getProperty("source_git_ssh_url", None)
        result = await super().run_vc(branch, revision if not source_branch else None, patch)
        if source_branch and source_url:
            self._address_is_configured = False
            await self._check_names(source_url, source_branch)
            await self.git(["fetch", source_url, source_branch])
            me = ["-c", "user.name=merge", "-c", "user.email=merge@localhost"]
            await self.git([*me, "merge", "FETCH_HEAD"])
            await self.parseGotRevision()
        return result


class Gerrit(Git):
    """Check out from Gerrit: the patch set that the build is about, if there is one."""

    async def run_vc(self, branch: str | None, revision: str | None, patch: Any) -> int:
        """The properties of a patch set's event, or ``gerrit_change`` of a form, name its ref."""
        get = self.build.getProperty
        ref = get("event.patchSet.ref", None)
        change = get("gerrit_change", None)
        if ref is None and change:
            number, _, patchset = str(change).partition("/")
            change_number, patch_number = whole_number(number), whole_number(patchset or "1")
            if change_number is None or patch_number is None:
                raise ValueError(
                    f"gerrit_change is {str(change)[:80]!r}, but must be NUMBER or NUMBER/PATCHSET"
                )
            ref = f"refs/changes/{change_number % 100:02d}/{change_number}/{patch_number}"
        if ref is not None:
            branch, revision = str(ref), None
            self.updateSourceProperty("gerrit_branch", branch)
        return await super().run_vc(branch, revision, patch)
