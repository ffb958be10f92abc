"""GitCommit, GitTag and GitPush with a real repository."""

from pathlib import Path
from typing import Any

import pytest

from ci_common.faults import ConfigError
from ci_common.results import FAILURE, SUCCESS
from ci_master.steps.source.gitchange import GitCommit, GitPush, GitTag
from tests.fakes.builds import Ran
from tests.process.test_git_step import GitCase as GitBase

pytestmark = pytest.mark.process

ME = {"user.name": "B", "user.email": "b@example.org"}


class ChangeTests(GitBase):
    async def ran(self, step: Any, result: int = SUCCESS) -> Ran:
        ran = await self.harness().finish(step)
        self.assertEqual(ran.result, result, ran.log("stdio").text)
        return ran

    async def checked_out(self) -> Path:
        await self.get({"branch": "main"})
        return self.tree

    async def test_a_change_is_committed_tagged_and_pushed(self) -> None:
        self.repo.git("config", "receive.denyCurrentBranch", "ignore")
        tree = await self.checked_out()
        (tree / "file").write_text("three\n")
        (tree / "other").write_text("not this\n")
        await self.ran(GitCommit(paths=["file"], messages=["Subject", "Body"], config=ME))
        await self.ran(GitTag(tagName="v3"))
        await self.ran(GitTag(tagName="v3-told", annotated=True, messages=["Told"], config=ME))
        for branch in ("main", "v3", "v3-told"):
            await self.ran(GitPush(repourl=self.repo.url, branch=branch))
        self.assertEqual(self.repo.git("log", "-1", "--format=%B", "main"), "Subject\n\nBody")
        self.assertEqual(self.repo.git("show", "main:file"), "three")
        self.assertEqual(self.repo.git("rev-parse", "v3"), self.repo.git("rev-parse", "main"))
        self.assertEqual(self.repo.git("cat-file", "-t", "v3-told"), "tag")
        self.assertEqual(self.repo.git("ls-tree", "--name-only", "main"), "file")

    async def test_what_if_nothing_has_changed(self) -> None:
        await self.checked_out()
        for empty, result, count in (
            ("disallow", FAILURE, "2"),
            ("ignore", SUCCESS, "2"),
            ("create-empty-commit", SUCCESS, "3"),
        ):
            step = GitCommit(paths=["file"], messages=["m"], emptyCommits=empty, config=ME)
            await self.ran(step, result)
            await self.ran(GitPush(repourl=self.repo.url, branch="HEAD:refs/heads/copy"))
            self.assertEqual(self.repo.git("rev-list", "--count", "copy"), count)

    async def test_a_tag_that_is_there_is_replaced_only_by_force(self) -> None:
        await self.checked_out()
        await self.ran(GitTag(tagName="v1"))
        await self.ran(GitTag(tagName="v1"), FAILURE)
        await self.ran(GitTag(tagName="v1", force=True))

    async def test_what_is_newer_there_is_overwritten_only_by_force(self) -> None:
        self.repo.git("branch", "side", self.second)
        await self.get({"branch": "main", "revision": self.first})
        await self.ran(GitPush(repourl=self.repo.url, branch="main:side"), FAILURE)
        await self.ran(GitPush(repourl=self.repo.url, branch="main:side", force=True))
        self.assertEqual(self.repo.git("rev-parse", "side"), self.first)

    def test_wrong_arguments_are_faults(self) -> None:
        for make, words in (
            (lambda: GitCommit(paths="file", messages=["m"]), "write a list: paths="),
            (lambda: GitCommit(paths=["file"]), "write a list: messages="),
            (lambda: GitCommit(paths=["f"], messages=["m"], emptyCommits="x"), "write one of"),
            (lambda: GitTag(), "write tagName="),
            (lambda: GitTag(tagName="v", messages=["m"]), "add annotated=True"),
            (lambda: GitTag(tagName="v", annotated=True), "write a list: messages="),
            (lambda: GitPush(branch="b"), "write repourl="),
            (lambda: GitPush(repourl="u"), "write branch="),
        ):
            with self.assertRaises(ConfigError) as raised:
                make()
            self.assertIn(words, str(raised.exception))


del GitBase  # a base of tests, and none itself
