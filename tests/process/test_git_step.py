"""The Git step with real repositories."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
from twisted.trial.unittest import TestCase

from ci_common.results import CANCELLED, FAILURE, SUCCESS
from ci_master.steps.source.git import Git, GitHub
from tests.fakes.builds import Ran
from tests.fakes.local_session import LocalHarness

pytestmark = pytest.mark.process

_ENV = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "C",
    "GIT_COMMITTER_EMAIL": "c@example.org",
}
#: what lets Git clone submodules from this machine
LOCAL = {"protocol.file.allow": "always"}


class Repository:
    """A repository that a test may push to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")

    @property
    def url(self) -> str:
        return self.path.as_uri()

    def git(self, *args: str) -> str:
        command = ["git", "-c", "protocol.file.allow=always", *args]
        done = subprocess.run(
            command, cwd=self.path, env=_ENV, check=True, capture_output=True, text=True, timeout=20
        )
        return done.stdout.strip()

    def commit(self, **files: str) -> str:
        """Commit files; the new revision."""
        for name, text in files.items():
            (self.path / name).write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "change")
        return self.git("rev-parse", "HEAD")


class GitCase(TestCase):
    timeout = 60

    def setUp(self) -> None:
        # Outside of this project's own repository: Git looks for one in the directories above.
        self.dir = Path(tempfile.mkdtemp(prefix="git-step-"))
        self.addCleanup(shutil.rmtree, self.dir)
        self.repo = Repository(self.dir / "repo")
        self.first = self.repo.commit(file="one\n")
        self.second = self.repo.commit(file="two\n")

    def harness(self, **stamp: Any) -> LocalHarness:
        harness = LocalHarness(self.dir / "worker", stamps=[stamp])
        self.tree = harness.builddir / "build"
        self.last = harness
        return harness

    async def get(self, stamp: dict[str, Any] | None = None, **arguments: Any) -> Ran:
        """Run a step, which must succeed."""
        harness = self.harness(**(stamp or {}))
        ran = await harness.finish(Git(repourl=self.repo.url, **arguments))
        self.assertEqual(ran.result, SUCCESS, ran.log("stdio").text)
        return ran

    @property
    def text(self) -> str:
        return (self.tree / "file").read_text()

    def subcommands(self) -> list[str]:
        return [command[1] for command in self.last.session.programs]


class CheckoutTests(GitCase):
    async def test_every_way_gets_the_newest_and_then_what_is_newer(self) -> None:
        for number, ways in enumerate(
            [
                {"mode": "incremental"},
                {"mode": "full"},
                {"mode": "full", "method": "clean"},
                {"mode": "full", "method": "fresh"},
                {"mode": "full", "method": "clobber"},
                {"mode": "full", "method": "copy"},
            ]
        ):
            workdir = f"build{number}"
            old = self.repo.git("rev-parse", "HEAD")
            ran = await self.get(workdir=workdir, **ways)
            self.assertEqual(ran.properties["got_revision"], old)
            new = self.repo.commit(file=f"more {number}\n")
            ran = await self.get(workdir=workdir, **ways)
            self.assertEqual(ran.properties["got_revision"], new, ways)
            text = (self.last.builddir / workdir / "file").read_text()
            self.assertEqual(text, f"more {number}\n")

    async def test_what_is_kept_differs_by_method(self) -> None:
        self.repo.commit(**{".gitignore": "ignored\n"})
        for method, kept in (
            (None, {"ignored", "untracked"}),
            ("clean", {"ignored"}),
            ("fresh", set()),
            ("clobber", set()),
            ("copy", set()),
        ):
            ways = {"mode": "full", "method": method} if method else {"mode": "incremental"}
            await self.get(workdir="w", **ways)
            tree = self.last.builddir / "w"
            for name in ("ignored", "untracked"):
                (tree / name).write_text("x")
            (tree / "file").write_text("changed")
            await self.get(workdir="w", **ways)
            left = {name for name in ("ignored", "untracked") if (tree / name).exists()}
            self.assertEqual(left, kept, method)
            self.assertEqual((tree / "file").read_text(), "two\n", method)

    async def test_a_revision_that_is_there_already_needs_no_fetch(self) -> None:
        await self.get()
        await self.get({"branch": "main", "revision": self.first})
        self.assertEqual(self.text, "one\n")
        self.assertEqual(self.subcommands(), ["cat-file", "checkout", "checkout", "rev-parse"])

    async def test_an_old_revision_is_checked_out_from_a_new_clone(self) -> None:
        ran = await self.get({"branch": "main", "revision": self.first})
        self.assertEqual(ran.properties["got_revision"], self.first)
        self.assertEqual(self.text, "one\n")

    async def test_branches_and_a_change_of_branch(self) -> None:
        self.repo.git("checkout", "-q", "-b", "side", self.first)
        side = self.repo.commit(other="side\n")
        self.repo.git("checkout", "-q", "main")
        await self.get({"branch": "side"})
        self.assertTrue((self.tree / "other").exists())
        ran = await self.get({"branch": "main"})
        self.assertEqual(ran.properties["got_revision"], self.second)
        self.assertFalse((self.tree / "other").exists())
        ran = await self.get({"branch": "side"})
        self.assertEqual(ran.properties["got_revision"], side)

    async def test_the_steps_own_branch_counts_if_the_stamp_names_none(self) -> None:
        self.repo.git("branch", "old", self.first)
        ran = await self.get(branch="old")
        self.assertEqual(ran.properties["got_revision"], self.first)

    async def test_a_force_pushed_branch_is_followed(self) -> None:
        await self.get({"branch": "main"})
        self.repo.git("reset", "-q", "--hard", self.first)
        new = self.repo.commit(file="rewritten\n")
        ran = await self.get({"branch": "main"})
        self.assertEqual(ran.properties["got_revision"], new)
        self.assertEqual(self.text, "rewritten\n")

    async def test_a_revision_that_its_branch_lost_is_still_found(self) -> None:
        self.repo.git("reset", "-q", "--hard", self.first)
        self.repo.commit(file="rewritten\n")
        ran = await self.get({"branch": "main", "revision": self.second})
        self.assertEqual(ran.properties["got_revision"], self.second)

    async def test_a_revision_of_a_deleted_branch_is_still_found(self) -> None:
        await self.get()
        self.repo.git("checkout", "-q", "-b", "side")
        side = self.repo.commit(file="side\n")
        self.repo.git("checkout", "-q", "main")
        self.repo.git("branch", "-D", "side")
        ran = await self.get({"branch": "side", "revision": side})
        self.assertEqual(ran.properties["got_revision"], side)

    async def test_tags_are_branches_too(self) -> None:
        self.repo.git("tag", "v1", self.first)
        for branch in ("v1", "refs/tags/v1"):
            ran = await self.get({"branch": branch})
            self.assertEqual(ran.properties["got_revision"], self.first)

    async def test_pull_requests_are_fetched_by_their_reference(self) -> None:
        self.repo.git("checkout", "-q", "--detach")
        pull = self.repo.commit(file="pull\n")
        self.repo.git("update-ref", "refs/pull/7/head", pull)
        self.repo.git("checkout", "-q", "main")
        for _ in range(2):  # a new clone, and one that is there
            ran = await self.get({"branch": "refs/pull/7/head"})
            self.assertEqual(ran.properties["got_revision"], pull)

    async def test_the_merge_of_a_pull_request_is_the_newest_whatever_was_asked(self) -> None:
        self.repo.git("update-ref", "refs/pull/7/merge", self.second)
        harness = self.harness(branch="refs/pull/7/merge", revision=self.first)
        ran = await harness.finish(GitHub(repourl=self.repo.url))
        self.assertEqual(ran.properties["got_revision"], self.second)

    async def test_a_shallow_clone_has_no_more_than_it_should(self) -> None:
        await self.get(mode="full", method="clobber", shallow=True)
        count = subprocess.check_output(["git", "rev-list", "--count", "HEAD"], cwd=self.tree)
        self.assertEqual(count, b"1\n")
        ran = await self.get(
            {"branch": "main", "revision": self.first}, mode="full", method="clobber", shallow=1
        )
        self.assertEqual(ran.properties["got_revision"], self.first)

    async def test_submodules_come_and_follow(self) -> None:
        inner = Repository(self.dir / "inner")
        inner.commit(part="1\n")
        self.repo.git("submodule", "add", "-q", inner.url, "sub")
        self.repo.commit()
        await self.get(submodules=True, config=LOCAL)
        self.assertEqual((self.tree / "sub" / "part").read_text(), "1\n")
        inner.commit(part="2\n")
        await self.get(submodules=True, remoteSubmodules=True, config=LOCAL)
        self.assertEqual((self.tree / "sub" / "part").read_text(), "2\n")
        (self.tree / "sub" / "junk").write_text("x")
        await self.get(submodules=True, config=LOCAL, mode="full", method="fresh")
        self.assertEqual((self.tree / "sub" / "part").read_text(), "1\n")
        self.assertFalse((self.tree / "sub" / "junk").exists())

    async def test_a_codebase_has_its_own_name_and_revision(self) -> None:
        harness = self.harness(codebase="app", branch="main")
        ran = await harness.finish(Git(repourl=self.repo.url, codebase="app"))
        self.assertEqual(ran.row.name, "git-app")
        self.assertEqual(ran.state, "update app")
        self.assertEqual(ran.properties["got_revision"], {"app": self.second})

    async def test_the_origin_and_a_filter_are_passed_on(self) -> None:
        self.repo.git("config", "uploadpack.allowFilter", "true")
        await self.get(origin="upstream", filters=["blob:none"])
        remotes = subprocess.check_output(["git", "remote"], cwd=self.tree)
        self.assertEqual(remotes, b"upstream\n")
        self.assertEqual(self.text, "two\n")


class DescriptionTests(GitCase):
    async def test_descriptions_become_a_property(self) -> None:
        self.repo.git("tag", "-a", "-m", "x", "v1", self.first)
        for wanted, text in (
            (True, f"v1-1-g{self.second[:7]}"),
            ({"long": True, "abbrev": 8}, f"v1-1-g{self.second[:8]}"),
            ({"dirty": "-mine"}, f"v1-1-g{self.second[:7]}"),
        ):
            ran = await self.get(getDescription=wanted)
            self.assertEqual(ran.properties["commit-description"], text)

    async def test_without_any_tag_there_is_no_description(self) -> None:
        ran = await self.get(getDescription={})
        self.assertNotIn("commit-description", ran.properties)
        ran = await self.get(getDescription={"always": True})
        self.assertEqual(ran.properties["commit-description"], self.second[:7])


PATCH = b"""--- a/file
+++ b/file
@@ -1 +1 @@
-two
+patched
--- /dev/null
+++ b/added
@@ -0,0 +1 @@
+new
"""


class PatchTests(GitCase):
    async def test_a_patch_goes_on_top_and_is_gone_with_the_next_build(self) -> None:
        patch = {"patchid": 4, "level": 1, "body": PATCH, "subdir": ""}
        ran = await self.get({"patch": patch})
        self.assertEqual(self.text, "patched\n")
        self.assertTrue((self.tree / "added").exists())
        self.assertEqual(ran.properties["got_revision"], self.second)
        self.assertFalse((self.tree / ".buildbot-diff").exists())
        await self.get()
        self.assertEqual(self.text, "two\n")
        self.assertEqual(sorted(os.listdir(self.tree)), [".git", "file"])

    async def test_a_patch_that_does_not_fit_fails_the_step(self) -> None:
        patch = {"patchid": 4, "level": 1, "body": PATCH.replace(b"two", b"three"), "subdir": ""}
        ran = await self.harness(patch=patch).finish(Git(repourl=self.repo.url))
        self.assertEqual(ran.result, FAILURE)
        self.assertIn("FAILED", ran.log("stdio").stdout)


class FailureTests(GitCase):
    async def fails(self, stamp: dict[str, Any], **arguments: Any) -> Ran:
        harness = self.harness(**stamp)
        ran = await harness.finish(Git(**{"repourl": self.repo.url, **arguments}))
        self.assertEqual(ran.result, FAILURE)
        self.assertNotIn("err.text", ran.logs)
        return ran

    async def test_a_revision_that_does_not_exist_is_named(self) -> None:
        missing = "0123456789" * 4
        for _ in range(2):
            ran = await self.fails({"branch": "main", "revision": missing})
            self.assertEqual(
                ran.state, f"revision {missing} not found in {self.repo.url} (failure)"
            )
            await self.get()

    async def test_a_branch_that_does_not_exist_fails(self) -> None:
        for _ in range(2):
            ran = await self.fails({"branch": "nowhere"})
            self.assertIn("nowhere", ran.log("stdio").stderr)
            self.assertRegex(ran.state, r"^update \(failure\): git (clone|fetch): fatal: .*nowhere")
            await self.get()

    async def test_what_looks_like_an_option_is_refused(self) -> None:
        ran = await self.fails({"branch": "--upload-pack=touch evil"})
        self.assertIn("it would be an option of Git", ran.state)
        self.assertEqual(self.last.session.programs, [])
        await self.fails({"branch": "main", "revision": "--output=evil"})

    async def test_a_failing_checkout_is_tried_again(self) -> None:
        away = self.repo.path.with_name("away")
        self.repo.path.rename(away)
        clones = []

        def before(name: str, args: Any) -> None:
            if name == "shell" and "clone" in args["command"]:
                clones.append(args["command"])
                if len(clones) == 3:
                    away.rename(self.repo.path)

        harness = self.harness()
        harness.session.before = before
        ran = await harness.finish(Git(repourl=self.repo.url, retry=(0.01, 2)))
        self.assertEqual(ran.result, SUCCESS)
        self.assertEqual(len(clones), 3)
        self.assertIn("trying again in 0.01 s", ran.log("stdio").header)

    async def test_it_can_be_stopped_while_it_waits_to_try_again(self) -> None:
        harness = self.harness()
        ran = harness.start(Git(repourl=self.repo.url + "-missing", retry=(3600, 2)))

        def stop_at_wait(stream: Any, text: Any) -> None:
            if text and "trying again" in text:
                ran.build.stop("enough")

        original = harness.session.before

        def before(name: str, args: Any) -> None:
            original(name, args)
            log = ran.step.logs.get("stdio")
            if log is not None and not log._subscriptions:
                log.subscribe(
                    lambda s, t: harness.env.clock.callLater(0, stop_at_wait, s, t) and None
                )

        harness.session.before = before
        await ran.ended  # type: ignore[attr-defined]  # set by this harness
        self.assertEqual(ran.result, CANCELLED)

    async def test_a_damaged_clone_never_makes_git_work_on_the_repository_around_it(self) -> None:
        around = Repository(self.dir / "worker")
        precious = around.commit(precious="mine\n")
        for ways in ({}, {"mode": "full"}, {"mode": "full", "method": "clean"}):
            await self.get(clobberOnFailure=True)
            (self.tree / ".git" / "HEAD").unlink()
            (around.path / "precious").write_text("changed\n")
            await self.harness().finish(Git(repourl=self.repo.url, **ways))
            self.assertEqual((around.path / "precious").read_text(), "changed\n")
            self.assertEqual(around.git("rev-parse", "HEAD"), precious)
            self.assertEqual(around.git("symbolic-ref", "HEAD"), "refs/heads/main")

    async def test_a_broken_clone_is_replaced_if_that_is_wanted(self) -> None:
        await self.get()
        (self.tree / ".git" / "HEAD").unlink()
        await self.fails({})
        await self.get(clobberOnFailure=True)
        self.assertEqual(self.text, "two\n")

    async def test_a_tree_that_cannot_be_cleaned_is_cloned_anew(self) -> None:
        await self.get()
        (self.tree / ".git" / "HEAD").unlink()
        await self.get(mode="full", method="fresh")
        self.assertEqual(self.text, "two\n")
