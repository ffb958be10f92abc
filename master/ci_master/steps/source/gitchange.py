"""Steps that change a Git repository: commit, tag, push."""

from typing import Any

from ci_common.results import SUCCESS
from ci_master.builds.buildstep import BuildStep
from ci_master.builds.composite import CompositeStepMixin
from ci_master.builds.faults import configFault
from ci_master.builds.rendering import is_renderable
from ci_master.steps.source.gitauth import GitAccess
from ci_master.steps.source.gitcommand import GitCommands
from ci_master.steps.source.programs import ProgramsMixin

__all__ = ["GitCommit", "GitPush", "GitTag"]

_EMPTY = ("disallow", "create-empty-commit", "ignore")


class _GitStep(GitCommands, ProgramsMixin, BuildStep, CompositeStepMixin):
    """What they have in common: they work in a tree that an earlier step made.

    :param config: settings that Git gets by ``-c``, such as ``user.name``.
    :type config: dictionary or None
    :param env: environment of the commands.
    :type env: dictionary, renderable or None
    :param timeout: seconds without output after which a command is killed; None: never.
    :type timeout: number or None
    :param logEnviron: write the environment to the log.
    """

    def __init__(
        self,
        workdir: Any = None,
        env: Any = None,
        timeout: float | None = 20 * 60,
        logEnviron: bool = True,
        config: dict[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(workdir=workdir, **kwargs)
        self.env = env
        self.timeout = timeout
        self.logEnviron = logEnviron
        self.config = config

    async def run(self) -> int:
        """Do it; a command of Git that fails makes the step fail."""
        self.stdio_log = await self.addLogForRemoteCommands("stdio")
        self.env = {**self.stay_inside(), **(self.env or {})}
        await self.work()
        return SUCCESS

    async def work(self) -> None:
        """Run the commands."""
        raise NotImplementedError(f"{type(self).__name__} does not define work()")


class GitCommit(_GitStep):
    """Commit files of the checked-out tree.

    :param paths: the files and directories to add.
    :type paths: list or renderable
    :param messages: the paragraphs of the commit message.
    :type messages: list or renderable
    :param emptyCommits: what happens if nothing has changed: ``disallow`` fails the step,
        ``create-empty-commit`` commits, ``ignore`` does nothing.
    :param no_verify: run no hooks of Git.
    """

    name = "gitcommit"
    renderables = ("messages", "paths")

    def __init__(
        self,
        workdir: Any = None,
        paths: Any = None,
        messages: Any = None,
        emptyCommits: str = "disallow",
        no_verify: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(workdir=workdir, **kwargs)
        _check_list("GitCommit", "messages", messages)
        _check_list("GitCommit", "paths", paths)
        if emptyCommits not in _EMPTY:
            configFault(f"'emptyCommits' is {emptyCommits!r}", f"write one of {_EMPTY}")
        self.paths = paths
        self.messages = messages
        self.emptyCommits = emptyCommits
        self.no_verify = no_verify

    async def work(self) -> None:
        """Add, and commit."""
        await self.git(["symbolic-ref", "HEAD"])  # a commit on no branch would be lost
        await self.git(["add", "--", *self.paths])
        if self.emptyCommits == "ignore":
            unchanged = await self.git(["diff", "--cached", "--quiet"], abandon=False)
            if unchanged.rc == 0:
                self.descriptionDone = ["nothing to commit"]
                return
        args = ["commit", *_messages(self.messages)]
        if self.emptyCommits == "create-empty-commit":
            args.append("--allow-empty")
        if self.no_verify:
            args.append("--no-verify")
        await self.git(args)


class GitTag(_GitStep):
    """Give the checked-out commit a tag.

    :param tagName: the name of the tag.
    :type tagName: string or renderable
    :param annotated: make it an annotated tag, with ``messages``.
    :param messages: the paragraphs of the tag's message.
    :type messages: list, renderable or None
    :param force: replace a tag of that name.
    """

    name = "gittag"
    renderables = ("messages", "tagName")

    def __init__(
        self,
        workdir: Any = None,
        tagName: Any = None,
        annotated: bool = False,
        messages: Any = None,
        force: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(workdir=workdir, **kwargs)
        if not tagName:
            configFault("a GitTag step names no tag", "write tagName='v1'")
        if annotated:
            _check_list("an annotated GitTag", "messages", messages)
        elif messages:
            configFault("a GitTag step has messages, but is not annotated", "add annotated=True")
        self.tagName = tagName
        self.annotated = annotated
        self.messages = messages
        self.force = force

    async def work(self) -> None:
        """Make the tag."""
        args = ["tag"]
        if self.annotated:
            args += ["-a", *_messages(self.messages)]
        if self.force:
            args.append("--force")
        await self.git([*args, "--", self.tagName])


class GitPush(_GitStep):
    """Push a branch or a tag of the checked-out tree.

    :param repourl: the URL that is pushed to.
    :type repourl: string or renderable
    :param branch: the branch, or tag, that is pushed.
    :type branch: string or renderable
    :param force: overwrite what the server has.
    """

    name = "gitpush"
    renderables = ("branch", "repourl")

    def __init__(
        self,
        workdir: Any = None,
        repourl: Any = None,
        port: int = 22,
        branch: Any = None,
        force: bool = False,
        sshPrivateKey: Any = None,
        sshHostKey: Any = None,
        sshKnownHosts: Any = None,
        auth_credentials: Any = None,
        git_credentials: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(workdir=workdir, **kwargs)
        if not repourl:
            configFault("a GitPush step names no repository", "write repourl='https://...'")
        if not branch:
            configFault("a GitPush step names no branch", "write branch='main'")
        self.repourl = repourl
        self.branch = branch
        self.force = force
        self.access = GitAccess(
            sshPrivateKey, sshHostKey, sshKnownHosts, auth_credentials, port, git_credentials
        )

    async def work(self) -> None:
        """Push."""
        await self.access.put(self)
        try:
            self.env = {**self.env, **self.access.environment(self)}
            force = ["--force"] if self.force else []
            await self.git(["push", *force, "--", self.repourl, self.branch])
        finally:
            await self.access.remove(self)


def _messages(messages: list[str]) -> list[str]:
    return [word for message in messages for word in ("-m", message)]


def _check_list(what: str, name: str, value: Any) -> None:
    if is_renderable(value):
        return
    if not isinstance(value, list) or not value:
        configFault(f"'{name}' of {what} is {value!r}", f"write a list: {name}=['...']")
