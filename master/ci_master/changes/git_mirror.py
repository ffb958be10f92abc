"""The local, bare copy of a remote git repository."""

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ci_master.changes.git_access import GitAccess
from ci_master.changes.git_log import Commit, CommitFormat, RefChoice, parse_refs
from ci_master.changes.git_program import GitProgram

__all__ = ["GitMirror"]


@dataclass(frozen=True, slots=True)
class _Step:
    """One commit of a branch's way, the parent it goes on at, and whether that is the first."""

    revision: str
    parent: str
    is_first: bool


def _lines(words: Iterable[str]) -> bytes:
    """Object ids as a program reads them."""
    return "".join(f"{word}\n" for word in words).encode("ascii")


class GitMirror:
    """Follows references of one remote repository.

    Its references are kept as ``refs/pollers/<hash of the URL>/...``, so that several remotes
    may share a directory.
    """

    def __init__(self, git: GitProgram, directory: str, url: str, encoding: str) -> None:
        self._git = git
        self._directory = directory
        self._url = url
        self._encoding = encoding
        self._space = f"refs/pollers/{hashlib.sha256(url.encode()).hexdigest()[:16]}/"

    async def create(self) -> bool:
        """Make the directory, unless it is there.

        :returns: whether it was made, and is empty now.
        """
        if os.path.exists(os.path.join(self._directory, "HEAD")):
            return False
        await self._git.run("init", "--quiet", "--bare", "--", self._directory)
        return True

    async def remote_refs(
        self, choice: RefChoice, access: GitAccess
    ) -> tuple[dict[str, str], str | None]:
        """Where the remote's references are: see :func:`parse_refs`."""
        output = await self._git.run(
            "ls-remote",
            "--symref",
            "--",
            self._url,
            *choice.arguments(),
            config=access.config,
            env=access.env,
        )
        return parse_refs(output, self._encoding)

    async def fetch(
        self, wanted: Sequence[str], followed: Sequence[str], access: GitAccess
    ) -> dict[str, str]:
        """Get references with all their commits; forget those not followed any more.

        :returns: all references held: reference of the remote -> object id.
        """
        gone = (await self._heads()).keys() - set(followed)
        if gone:
            commands = "".join(f"delete {self._local(ref)}\n" for ref in gone)
            await self._run("update-ref", "--stdin", stdin=self._encode(commands))
        if wanted:
            refspecs = "".join(f"+{ref}:{self._local(ref)}\n" for ref in wanted)
            await self._run(
                "fetch",
                "--quiet",
                "--no-tags",
                "--force",
                "--stdin",
                "--",
                self._url,
                stdin=self._encode(refspecs),
                config=access.config,
                env=access.env,
            )
        return await self._heads()

    async def present(self, revisions: Iterable[str]) -> set[str]:
        """Those of the revisions that the copy holds."""
        asked = sorted(set(revisions))
        if not asked:
            return set()
        stdin = self._encode("".join(f"{revision}\n" for revision in asked))
        output = await self._run(
            "cat-file", "--batch-check=%(objectname) %(objecttype)", stdin=stdin
        )
        lines = output.decode("ascii", "replace").splitlines()
        return {line.split()[0] for line in lines if not line.endswith(" missing")}

    async def new_commits(
        self, revision: str, known: Iterable[str], before: str | None = None
    ) -> list[Commit]:
        """The commits that a branch went through and none of ``known`` has, oldest first.

        What a merge brought in from elsewhere is left out: of a merge only the first parent is
        followed. Where a branch was moved forward to a merge that has the branch's former place
        as another parent (somebody merged the branch into their own, and pushed that), the
        former place is where its history goes on.

        :param before: where the branch was, if it was there already.
        """
        exclude = [f"^{one}" for one in sorted(known)]
        path = [] if before is None else await self._path(revision, before)
        if all(step.is_first for step in path):
            return await self._log(
                "--topo-order", "--first-parent", "--reverse", "--stdin",
                stdin=_lines([revision, *exclude]),
            )  # fmt: skip
        output = await self._run("rev-list", "--stdin", stdin=_lines([revision, *exclude]))
        unknown = set(output.decode("ascii").split())
        steps = {step.revision: step for step in reversed(path) if step.revision in unknown}
        commits = await self._log("--no-walk=unsorted", "--stdin", stdin=_lines(steps))
        return [await self._seen_from(commit, steps[commit.revision]) for commit in commits]

    async def _path(self, revision: str, before: str) -> list["_Step"]:
        """How a branch came from ``before`` to ``revision``, newest first; nothing if it did not
        come from there.
        """
        asked = _lines([f"{revision}^{{commit}}", f"{before}^{{commit}}"])
        output = await self._run("cat-file", "--batch-check=%(objectname)", stdin=asked)
        end, start = (line.split()[0] for line in output.decode("ascii").splitlines())
        output = await self._run(
            "rev-list", "--parents", "--ancestry-path", "--stdin", stdin=_lines([end, f"^{start}"])
        )
        between = [line.split() for line in output.decode("ascii").splitlines()]
        parents = {commit: of for commit, *of in between}
        path = []
        while end in parents:
            is_between = [parent == start or parent in parents for parent in parents[end]]
            chosen = is_between.index(True)
            path.append(_Step(end, parents[end][chosen], chosen == 0))
            end = path[-1].parent
        return path

    async def _seen_from(self, commit: Commit, step: "_Step") -> Commit:
        """The commit with the files that differ from where the branch was."""
        if step.is_first:
            return commit
        output = await self._run(
            "diff-tree", "-r", "-M", "-z", "--name-only", step.parent, step.revision
        )
        names = output.decode(self._encoding, "replace").split("\0")
        return replace(commit, files=[name for name in names if name])

    async def commit(self, revision: str) -> list[Commit]:
        """One commit, as a list."""
        return await self._log("--max-count=1", "--stdin", stdin=_lines([revision]))

    async def _log(self, *args: str, stdin: bytes) -> list[Commit]:
        form = CommitFormat()
        output = await self._run(
            "log",
            *form.options(),
            *args,
            stdin=stdin,
            config=[
                f"i18n.logOutputEncoding={self._encoding}",
                "log.showSignature=false",
                "log.showRoot=true",
            ],
        )
        return form.parse(output, self._encoding)

    async def _heads(self) -> dict[str, str]:
        output = await self._run("for-each-ref", "--format=%(objectname) %(refname)", self._space)
        heads = {}
        for line in output.decode(self._encoding, "replace").splitlines():
            value, _, name = line.partition(" ")
            heads["refs/" + name.removeprefix(self._space)] = value
        return heads

    def _local(self, ref: str) -> str:
        return self._space + ref.removeprefix("refs/")

    def _encode(self, text: str) -> bytes:
        return text.encode(self._encoding, "replace")

    async def _run(
        self,
        *args: str,
        stdin: bytes = b"",
        config: Sequence[str] = (),
        env: dict[str, str] | None = None,
    ) -> bytes:
        return await self._git.run(*args, cwd=self._directory, stdin=stdin, config=config, env=env)
