"""Noticing commits in a remote git repository."""

import hashlib
import json
import os
from typing import Any

from twisted.internet.defer import DeferredLock, gatherResults

from ci_common.aio import to_deferred
from ci_master.changes.base import ReconfigurablePollingChangeSource
from ci_master.changes.git_access import GitAccess, GitKeys
from ci_master.changes.git_checks import check_git_arguments
from ci_master.changes.git_log import Commit, RefChoice, branch_of
from ci_master.changes.git_mirror import GitMirror
from ci_master.changes.git_program import GitError, GitProgram, without_password

__all__ = ["GitError", "GitPoller"]

#: How many changes are on their way to storage at the same time: they share a transaction.
_TOGETHER = 50

_SETTINGS = {
    "branches": None,
    "branch": None,
    "workdir": None,
    "pollInterval": 600,
    "gitbin": "git",
    "usetimestamps": True,
    "category": None,
    "codebase": None,
    "project": None,
    "fetch_refspec": None,
    "encoding": "utf-8",
    "pollAtLaunch": False,
    "buildPushesWithNoCommits": False,
    "only_tags": False,
    "sshPrivateKey": None,
    "sshHostKey": None,
    "sshKnownHosts": None,
    "pollRandomDelayMin": 0,
    "pollRandomDelayMax": 0,
    "auth_credentials": None,
    "git_credentials": None,
}


class GitPoller(ReconfigurablePollingChangeSource):
    """Looks for new commits in a remote Git repository, for which it keeps a bare copy.

    The first poll only records where the branches stand. From then on each commit that is new
    to all followed branches becomes a change, oldest first. A merge is one change; the commits
    that it brought in are not, as the branch never had their state.

    :param repourl: the URL of the repository, as ``git clone`` takes it.
    :type repourl: string
    :param branches: which branches are followed: None, the default branch of the remote; True,
        all of them; a list of names, patterns such as ``release/*`` or full references; or a
        function that gets a full reference and returns True or False.
    :type branches: list of strings, True, function or None
    :param branch: short for ``branches`` with one name.
    :type branch: string or None
    :param workdir: directory of the local copy, below the master's directory; default: one for
        each URL in ``gitpoller-work``.
    :type workdir: string or None
    :param gitbin: the program that is run as Git on the master.
    :type gitbin: string
    :param category: the category of the changes; a function gets a change as a dictionary and
        returns its category.
    :type category: string, function or None
    :param codebase: the codebase of the changes; without one ``c['codebaseGenerator']``
        decides.
    :type codebase: string, util.Codebase or None
    :param project: the name of the project that the changes carry.
    :type project: string or None
    :param fetch_refspec: not supported: any other value is a configuration fault, since
        ``branches`` says what is fetched.
    :type fetch_refspec: None
    :param usetimestamps: True gives a change the time of its commit; False, the time of the
        poll.
    :type usetimestamps: True or False
    :param buildPushesWithNoCommits: make a change when a branch moves to a commit that another
        branch already had.
    :type buildPushesWithNoCommits: True or False
    :param only_tags: follow tags in place of branches.
    :type only_tags: True or False
    :param encoding: the encoding of commit messages and file names.
    :type encoding: string
    :param sshPrivateKey: the text of the private key for ssh; usually a ``Secret``. Name the
        server's key by ``sshHostKey`` or ``sshKnownHosts`` too.
    :type sshPrivateKey: string, renderable or None
    :param sshHostKey: the public key of the server, such as ``ssh-ed25519 AAAA...``, without
        the name of the host.
    :type sshHostKey: string, renderable or None
    :param sshKnownHosts: the text of a ``known_hosts`` file; not together with ``sshHostKey``.
    :type sshKnownHosts: string, renderable or None
    :param auth_credentials: (user, password) for HTTP; either may be a ``Secret``.
    :type auth_credentials: pair or None
    :param git_credentials: reserved for ``GitCredentialOptions``, which this version does not
        have yet.
    :type git_credentials: None
    """

    state_class_name = "GitPoller"
    repourl = ""

    # Pollers that were told to share a directory take turns.
    _locks: dict[str, DeferredLock] = {}

    def __init__(self, repourl: str, **kwargs: Any) -> None:
        if kwargs.get("name") is None:
            kwargs["name"] = repourl
        # How the configuration chose branches, as of the last poll.
        self._followed: str | None = None
        #: branch -> revision, as of the last poll; None: it never polled.
        self.lastRev: dict[str, str] | None = None
        self._git: GitProgram | None = None
        self._said: str | None = None  # the error that was logged last
        super().__init__(repourl, **kwargs)

    def checkConfig(self, repourl: str, **kwargs: Any) -> Any:  # type: ignore[override]  # + URL
        """Check the arguments."""
        check_git_arguments(repourl, kwargs, _SETTINGS)
        polling = {key: kwargs[key] for key in _POLLING if key in kwargs}
        super().checkConfig(name=self.name, **polling)

    async def reconfigService(  # type: ignore[override]  # + URL
        self, repourl: str, **kwargs: Any
    ) -> None:
        """Take over the arguments; what is known of the branches is kept."""
        if self._git is not None:
            self._git.stop()
        async with self._one_poll:
            if self.lastRev is not None and repourl != self.repourl:
                self.lastRev = None  # another repository: begin anew
                await self.setState("lastRev", None)
            self._take_arguments(repourl, {**_SETTINGS, **kwargs})
        polling = {key: value for key, value in kwargs.items() if key in _POLLING}
        await super().reconfigService(**polling)

    def _take_arguments(self, repourl: str, given: dict[str, Any]) -> None:
        self.repourl = repourl
        self.branches = given["branches"] if given["branch"] is None else [given["branch"]]
        self.usetimestamps = given["usetimestamps"]
        self.category = given["category"]
        self.codebase = getattr(given["codebase"], "name", given["codebase"])
        self.project = given["project"] or ""
        self.encoding = given["encoding"]
        self.buildPushesWithNoCommits = given["buildPushesWithNoCommits"]
        self.only_tags = given["only_tags"]
        self._secrets = {key: given[key] for key in _KEYS}
        self.workdir = os.path.join(self.site.basedir, given["workdir"] or _workdir(repourl))
        self._git = GitProgram(self.site.clock, given["gitbin"], self.encoding)
        self._mirror = GitMirror(self._git, self.workdir, repourl, self.encoding)
        self._choice = RefChoice(self.branches, self.only_tags)

    def describe(self) -> str:
        """One line for people."""
        which = "the default branch" if self.branches is None else f"branches: {self.branches}"
        if self.branches is True:
            which = "all branches"
        return (
            f"GitPoller watching the remote git repository "
            f"'{without_password(self.repourl)}', {which}, every {self.pollInterval:g} s"
        )

    async def activate(self) -> None:
        """Recall where the branches were, and begin to poll."""
        self.lastRev = await self.getState("lastRev", None)
        self._followed = await self.getState("followed", None)
        super().activate()

    def deactivate(self) -> Any:
        """End git, and poll no more."""
        if self._git is not None:
            self._git.stop()
        return super().deactivate()

    async def poll(self) -> None:
        """Look for new commits. An error of git is logged once, until another comes."""
        lock = self._locks.setdefault(self.workdir, DeferredLock())
        try:
            async with lock:
                await self._poll_repository()
        except GitError as error:
            self._say(str(error))
        else:
            if self._said is not None:
                self.log.info("{source} works again", source=self.describe())
            self._said = None

    @property
    def last_error(self) -> str | None:
        """What went wrong in the last poll, if anything did."""
        return self._said

    def _say(self, text: str) -> None:
        if text == self._said or not self.isActive():
            self.log.debug("{source}: still {error}", source=self.describe(), error=text)
        else:
            self.log.error("{source}: {error}", source=self.describe(), error=text)
        self._said = text

    async def _poll_repository(self) -> None:
        fresh = await self._mirror.create()
        keys = await self._keys()
        access = await self.site.in_thread(GitAccess.prepare, keys) if keys else GitAccess()
        try:
            refs = self._choice.choose(*await self._mirror.remote_refs(self._choice, access))
            last = self.lastRev or {}
            moved = [ref for ref, rev in refs.items() if last.get(branch_of(ref)) != rev]
            gone = last.keys() - {branch_of(ref) for ref in refs}
            if moved or gone or fresh:
                wanted = list(refs) if fresh else moved
                heads = await self._mirror.fetch(wanted, list(refs), access)
            else:
                heads = {}
        finally:
            if keys:
                await self.site.in_thread(access.remove)
        follows = self._follows()
        if self._followed != follows or self.lastRev is None:
            # The first poll of a branch records where it is, and so does the first one after
            # the configuration began to follow it: its commits are not new.
            begun = {ref for ref in moved if branch_of(ref) not in last}
            self.lastRev = last | {branch_of(ref): heads[ref] for ref in begun & heads.keys()}
            moved = [ref for ref in moved if ref not in begun]
            await self.setState("lastRev", self.lastRev)
            self._followed = follows
            await self.setState("followed", follows)
        await self._take_moves({ref: heads[ref] for ref in moved if ref in heads}, gone)

    def _follows(self) -> str:
        """The configuration's choice of branches, as a text to compare."""
        chosen = "function" if callable(self.branches) else json.dumps(self.branches)
        return f"tags {chosen}" if self.only_tags else chosen

    async def _take_moves(self, moved: dict[str, str], gone: Any) -> None:
        """Make changes of the new commits; note where the branches are now."""
        assert self.lastRev is not None
        before = dict(self.lastRev)
        present = await self._mirror.present(before.values()) if moved else set()
        # Branches that are new come last: what they share with others is known by then.
        moves = sorted(moved.items(), key=lambda move: branch_of(move[0]) not in before)
        arrived: set[str] = set()
        for ref, rev in moves:
            branch = branch_of(ref)
            old = before.get(branch)
            if old is not None and old not in present:
                self.log.warn(
                    "{source}: the commit {old} where branch '{branch}' was is not there any "
                    "more; changes are counted from {new} on",
                    source=self.describe(),
                    old=old,
                    branch=branch,
                    new=rev,
                )
            elif old is None:
                await self._add_commits(branch, rev, present | arrived, None)
            else:
                arrived.add(rev)
                await self._add_commits(branch, rev, present, old)
            await self._note(branch, rev)
        for branch in gone:
            await self._note(branch, None)

    async def _note(self, branch: str, rev: str | None) -> None:
        noted = dict(self.lastRev or {})
        if rev is None:
            noted.pop(branch, None)
        else:
            noted[branch] = rev
        self.lastRev = noted
        await self.setState("lastRev", noted)

    async def _add_commits(self, branch: str, rev: str, known: set[str], old: str | None) -> None:
        commits = await self._mirror.new_commits(rev, known, old) if known else []
        # With nothing to compare with, a whole history would be new: its last commit will do.
        if not known or (not commits and self.buildPushesWithNoCommits):
            commits = await self._mirror.commit(rev)
        if commits:
            self.log.info(
                "{source}: {count} new commit(s) on branch '{branch}'",
                source=self.describe(),
                count=len(commits),
                branch=branch,
            )
        for start in range(0, len(commits), _TOGETHER):
            together = commits[start : start + _TOGETHER]
            await gatherResults(
                [to_deferred(self._add_commit(branch, commit)) for commit in together],
                consumeErrors=True,
            )

    def _add_commit(self, branch: str, commit: Commit) -> Any:
        return self.add_change(
            author=commit.author,
            committer=commit.committer,
            revision=commit.revision,
            files=commit.files,
            comments=commit.comments,
            when_timestamp=commit.committed_at if self.usetimestamps else None,
            branch=branch,
            category=self.category,
            project=self.project,
            repository=self.repourl,
            codebase=self.codebase,
            src="git",
        )

    async def _keys(self) -> GitKeys:
        """The secrets, rendered."""
        found = {key: await self.site.render(value) for key, value in self._secrets.items()}
        texts: list[str] = []
        auth, options = found["auth_credentials"], found["git_credentials"]
        if auth is not None:
            user, password = [await self.site.render(part) for part in auth]
            texts.append(f"url={self.repourl}\nusername={user}\npassword={password}")
        for text in (options.credentials if options is not None else None) or ():
            texts.append(await self.site.render(text))
        return GitKeys(
            ssh_private_key=found["sshPrivateKey"],
            ssh_host_key=found["sshHostKey"],
            ssh_known_hosts=found["sshKnownHosts"],
            credentials=texts,
            use_http_path=options.use_http_path if options is not None else None,
        )


_KEYS = ("sshPrivateKey", "sshHostKey", "sshKnownHosts", "auth_credentials", "git_credentials")
_POLLING = ("pollInterval", "pollAtLaunch", "pollRandomDelayMin", "pollRandomDelayMax")


def _workdir(repourl: str) -> str:
    """Where the copy of a repository is, unless the configuration says it."""
    short = hashlib.sha256(repourl.encode()).hexdigest()[:16]
    return os.path.join("gitpoller-work", short)
