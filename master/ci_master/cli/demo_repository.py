"""The Git repository of the demonstration, and the clone that a person works in."""

import subprocess
from pathlib import Path

from ci_master.cli.problem import Problem
from ci_master.cli.sample_project import COMMITS, Commit


class Repository:
    """A bare repository and a working clone of it.

    :param bare: where the master and its workers fetch from.
    :param work: where people commit; the sample's commits are made there too.
    """

    def __init__(self, bare: Path, work: Path) -> None:
        self._bare = bare
        self._work = work

    def make(self) -> None:
        """Make both, with the first commit; what is there already is left alone."""
        if not (self._bare / "HEAD").exists():
            self._bare.mkdir(parents=True, exist_ok=True)
            self._git(self._bare, "init", "--quiet", "--bare")
            self._git(self._bare, "symbolic-ref", "HEAD", "refs/heads/main")
        if not (self._work / ".git").exists():
            self._git(self._bare.parent, "clone", "--quiet", str(self._bare), self._work.name)
            self._git(self._work, "symbolic-ref", "HEAD", "refs/heads/main")
            self._git(self._work, "config", "user.name", "Demo")
            self._git(self._work, "config", "user.email", "demo@example.org")
            self._git(self._work, "config", "push.default", "simple")
        if not self._subjects():
            self._push(COMMITS[0])

    def push_next(self) -> str | None:
        """Push the sample's next commit.

        :returns: its subject; None if none is left, or if the person has begun to work here.
        """
        left = self.commits_left()
        if not left:
            return None
        commit = COMMITS[-left]
        self._push(commit)
        return commit.subject

    def commits_left(self) -> int:
        """How many of the sample's commits will be pushed; 0 if the person has begun to work."""
        known = self._subjects()
        return len(COMMITS) - len(known) if self._is_samples(known) else 0

    def is_complete(self) -> bool:
        """Whether all of the sample's commits are there, and nothing else."""
        known = self._subjects()
        return len(known) == len(COMMITS) and self._is_samples(known)

    def _is_samples(self, known: list[str]) -> bool:
        """Whether these commits are the sample's first ones, and nothing else was begun."""
        if known != [commit.subject for commit in COMMITS[: len(known)]]:
            return False
        return not self._git(self._work, "status", "--porcelain").strip()

    def _push(self, commit: Commit) -> None:
        for name, text in commit.files.items():
            path = self._work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self._git(self._work, "add", "--all")
        self._git(self._work, "commit", "--quiet", "--message", commit.subject)
        self._git(self._work, "push", "--quiet", "--set-upstream", "origin", "main")

    def _subjects(self) -> list[str]:
        """Of the commits in the clone, oldest first."""
        done = subprocess.run(
            ["git", "log", "--reverse", "--format=%s"],
            cwd=self._work,
            capture_output=True,
            text=True,
        )
        return done.stdout.splitlines()

    @staticmethod
    def _git(where: Path, *words: str) -> str:
        done = subprocess.run(["git", *words], cwd=where, capture_output=True, text=True)
        if done.returncode:
            raise Problem(f"git {' '.join(words)} failed in {where}: {done.stderr.strip()}")
        return done.stdout
