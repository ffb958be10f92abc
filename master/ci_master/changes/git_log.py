"""Reading what git prints: commits and references, many in one call."""

import fnmatch
import itertools
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["HEADS", "Commit", "CommitFormat", "RefChoice", "branch_of", "parse_refs"]

HEADS = "refs/heads/"
TAGS = "refs/tags/"
_FIELDS = ("%H", "%aN <%aE>", "%cN <%cE>", "%ct", "%B")


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit; times are unix seconds."""

    revision: str
    author: str
    committer: str
    committed_at: int
    comments: str
    files: list[str]


class CommitFormat:
    """How ``git log`` is to print commits so that any message and any file name can be told
    apart: fields end with NUL, and each commit begins with a mark that nobody can guess.
    """

    def __init__(self) -> None:
        self._mark = secrets.token_hex(16)

    def options(self) -> list[str]:
        """Options of ``git log``. Files of a merge are those that differ from its first parent."""
        fields = "%x00".join((self._mark, *_FIELDS, ""))
        return [
            "-z",
            "--name-only",
            "--diff-merges=first-parent",
            "--no-color",
            "--no-decorate",
            f"--format=tformat:%x00{fields}",
        ]

    def parse(self, output: bytes, encoding: str) -> list[Commit]:
        """The commits in the order of the output. Bytes that are no text are replaced."""
        commits: list[Commit] = []
        parts = [part.decode(encoding, "replace") for part in output.split(b"\0")]
        starts = [index for index, part in enumerate(parts) if part.strip("\n") == self._mark]
        for start, end in itertools.pairwise([*starts, len(parts)]):
            revision, author, committer, at, comments = parts[start + 1 : start + 6]
            files = [name.removeprefix("\n") for name in parts[start + 6 : end]]
            commits.append(
                Commit(
                    revision=revision,
                    author=author,
                    committer=committer,
                    committed_at=int(at),
                    comments=comments.strip(),
                    files=[name for name in files if name],
                )
            )
        return commits


def parse_refs(output: bytes, encoding: str) -> tuple[dict[str, str], str | None]:
    """What ``git ls-remote --symref`` printed.

    :returns: reference -> object id, and the reference that HEAD stands for, if that was told.
    """
    refs: dict[str, str] = {}
    head = None
    for line in output.decode(encoding, "replace").splitlines():
        value, _, name = line.partition("\t")
        if value.startswith("ref: ") and name == "HEAD":
            head = value.removeprefix("ref: ")
        elif name and not name.endswith("^{}"):
            refs[name] = value
    return refs, head


def branch_of(ref: str) -> str:
    """The name that changes carry: of a branch without ``refs/heads/``, else the reference."""
    return ref.removeprefix(HEADS)


class RefChoice:
    """Which references of a repository are followed.

    :param branches: None: the one that HEAD stands for; True: all; a list of names, full
        references or patterns; or a function of the full reference.
    :param only_tags: tags in place of branches.
    """

    def __init__(
        self,
        branches: bool | Sequence[str] | Callable[[str], Any] | None,
        only_tags: bool,
    ) -> None:
        self._branches = branches
        self._prefix = TAGS if only_tags else HEADS
        self._only_tags = only_tags
        self._patterns: list[str] = []
        if isinstance(branches, Sequence):
            self._patterns = [
                name if name.startswith("refs/") else self._prefix + name for name in branches
            ]

    def arguments(self) -> list[str]:
        """What ``git ls-remote`` is to be asked for."""
        if callable(self._branches):
            return [TAGS + "*"] if self._only_tags else []
        if self._patterns:
            return self._patterns
        if self._branches is None and not self._only_tags:
            return ["HEAD"]
        return [self._prefix + "*"]

    def choose(self, refs: dict[str, str], head: str | None) -> dict[str, str]:
        """Those that are followed, of what ``ls-remote`` told."""
        real = {ref: value for ref, value in refs.items() if ref.startswith("refs/")}
        if callable(self._branches):
            return {ref: value for ref, value in real.items() if self._branches(ref)}
        if self._patterns:
            return {
                ref: value
                for ref, value in real.items()
                if any(fnmatch.fnmatchcase(ref, pattern) for pattern in self._patterns)
            }
        if self._branches is None and not self._only_tags:
            return {head: refs["HEAD"]} if head is not None and "HEAD" in refs else {}
        return {ref: value for ref, value in real.items() if ref.startswith(self._prefix)}
