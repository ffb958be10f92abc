"""GitPoller with real repositories and the real git."""

import os
import shutil
import subprocess
import tempfile

from twisted.internet import reactor
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from ci_master.changes.gitpoller import GitPoller
from tests.fakes.schedulers import FakeSite

AUTHOR = {
    "GIT_AUTHOR_NAME": "Ann",
    "GIT_AUTHOR_EMAIL": "ann@example.org",
    "GIT_COMMITTER_NAME": "Carl",
    "GIT_COMMITTER_EMAIL": "carl@example.org",
    "GIT_AUTHOR_DATE": "1700000000 +0000",
    "GIT_COMMITTER_DATE": "1700000100 +0000",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
}


class Repository:
    """A repository with a working tree, to be polled."""

    def __init__(self, directory):
        self.path = directory
        os.makedirs(directory)
        self("init", "--quiet", "--initial-branch=main")

    def __call__(self, *args, stdin=None):
        done = subprocess.run(
            ["git", *args],
            cwd=self.path,
            env={**os.environ, **AUTHOR},
            input=stdin,
            capture_output=True,
            check=True,
            timeout=20,
        )
        return done.stdout.decode().strip()

    def commit(self, message="work", name="file", content=None):
        path = os.path.join(os.fsencode(self.path), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(content or str(message))
        self("add", "-A")
        raw = message if isinstance(message, bytes) else message.encode()
        self("commit", "--quiet", "--file=-", stdin=raw)
        return self("rev-parse", "HEAD")


class GitPollerTests(TestCase):
    timeout = 60

    def setUp(self):
        self.base = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.base, ignore_errors=True)
        self.repo = Repository(os.path.join(self.base, "remote"))
        self.first = self.repo.commit("first")
        self.fake = FakeSite(basedir=os.path.join(self.base, "master"))
        os.makedirs(self.fake.site.basedir)
        self.fake.site.clock = reactor
        self.fake.site.in_thread = deferToThread
        self.pollers = []

    async def start(self, **kwargs):
        kwargs = {"pollInterval": 0, **kwargs}
        poller = GitPoller(self.repo.path, **kwargs)
        await poller.enter(self.fake.site)
        await poller.become_active()
        self.addCleanup(poller.deactivate)
        return poller

    async def started(self, **kwargs):
        """A poller that has polled once."""
        poller = await self.start(**kwargs)
        await poller.force()
        self.assertEqual(self.changes(), [])
        self.assertIsNone(poller.last_error)
        return poller

    def changes(self, *names):
        names = names or ("branch", "revision")
        return [
            tuple(change.get(name) for name in names) if len(names) > 1 else change.get(names[0])
            for change in self.fake.changes.added
        ]

    def state(self):
        return self.fake.state.values[self.repo.path, "GitPoller", "lastRev"]

    async def test_the_first_poll_only_records_where_the_branch_is(self):
        await self.started()
        self.assertEqual(self.state(), {"main": self.first})

    async def test_new_commits_become_changes_oldest_first(self):
        poller = await self.started(project="p", category="c", codebase="cb")
        two = self.repo.commit("two\n\nbody", name="dir/a b")
        three = self.repo.commit("three")
        await poller.force()
        self.assertEqual(self.changes("revision"), [two, three])
        self.assertEqual(
            self.fake.changes.added[0],
            {
                "author": "Ann <ann@example.org>",
                "committer": "Carl <carl@example.org>",
                "revision": two,
                "files": ["dir/a b"],
                "comments": "two\n\nbody",
                "when_timestamp": 1700000100,
                "branch": "main",
                "category": "c",
                "project": "p",
                "repository": self.repo.path,
                "codebase": "cb",
                "src": "git",
            },
        )
        await poller.force()
        self.assertEqual(len(self.changes()), 2)

    async def test_the_time_of_the_poll_counts_if_so_configured(self):
        poller = await self.started(usetimestamps=False)
        self.repo.commit("two")
        await poller.force()
        self.assertNotIn("when_timestamp", self.fake.changes.added[0])

    async def test_only_branches_named_are_followed(self):
        poller = await self.started(branches=["main", "rel/*"])
        for branch in ("rel/1", "dev"):
            self.repo("switch", "--quiet", "-c", branch, "main")
            self.repo.commit(branch)
        await poller.force()
        self.assertEqual(self.changes("branch"), ["rel/1"])

    async def test_a_new_branch_has_the_commits_that_no_other_has(self):
        poller = await self.started(branches=True)
        self.repo("switch", "--quiet", "-c", "dev")
        one, two = self.repo.commit("one"), self.repo.commit("two")
        await poller.force()
        self.assertEqual(self.changes(), [("dev", one), ("dev", two)])

    async def test_a_branch_that_is_newly_followed_is_only_recorded(self):
        self.repo("switch", "--quiet", "-c", "old")
        old = self.repo.commit("old")
        self.repo("switch", "--quiet", "main")
        poller = await self.started(branches=["main"])
        await poller.take_over(GitPoller(self.repo.path, branches=True, pollInterval=0))
        new = self.repo.commit("new")
        await poller.force()
        self.assertEqual(self.changes(), [("main", new)])
        self.assertEqual(self.state(), {"main": new, "old": old})

    async def test_a_merge_of_known_commits_is_one_change_with_its_files(self):
        poller = await self.started(branches=True)
        self.repo("switch", "--quiet", "-c", "dev")
        self.repo.commit("dev work", name="dev-file")
        await poller.force()
        self.repo("switch", "--quiet", "main")
        self.repo("merge", "--quiet", "--no-ff", "-m", "merge", "dev")
        await poller.force()
        self.assertEqual(self.changes("branch", "comments")[1:], [("main", "merge")])
        self.assertEqual(self.fake.changes.added[1]["files"], ["dev-file"])

    def branch(self, name, *messages, start="main"):
        """Make a branch with commits, and go back to main; gives the commits."""
        self.repo("switch", "--quiet", "-c", name, start)
        made = [self.repo.commit(message, name=f"file-{message}") for message in messages]
        self.repo("switch", "--quiet", "main")
        return made

    async def test_commits_of_a_merged_side_branch_are_no_changes_of_the_branch(self):
        poller = await self.started(branches=["main"])
        self.branch("side", "s1", "s2")
        own = self.repo.commit("own", name="file-own")
        self.repo("merge", "--quiet", "--no-ff", "-m", "merge", "side")
        after = self.repo.commit("after", name="file-after")
        await poller.force()
        merge = self.repo("rev-parse", "main^")
        self.assertEqual(self.changes("revision"), [own, merge, after])
        self.assertEqual(self.fake.changes.added[1]["files"], ["file-s1", "file-s2"])

    async def test_an_octopus_merge_is_one_change(self):
        poller = await self.started(branches=["main"])
        self.branch("one", "o1")
        self.branch("two", "t1", "t2")
        self.branch("three", "h1")
        self.repo("merge", "--quiet", "--no-ff", "-m", "octopus", "one", "two", "three")
        await poller.force()
        self.assertEqual(self.changes("branch", "comments"), [("main", "octopus")])
        self.assertEqual(
            self.fake.changes.added[0]["files"], ["file-h1", "file-o1", "file-t1", "file-t2"]
        )

    async def test_nested_merges_of_a_side_branch_are_one_change(self):
        poller = await self.started(branches=["main"])
        self.branch("deep", "d1")
        self.branch("side", "s1")
        self.repo("switch", "--quiet", "side")
        self.repo("merge", "--quiet", "--no-ff", "-m", "inner", "deep")
        self.repo("switch", "--quiet", "main")
        self.repo("merge", "--quiet", "--no-ff", "-m", "outer", "side")
        await poller.force()
        self.assertEqual(self.changes("comments"), ["outer"])

    async def test_a_back_merge_that_the_branch_was_moved_to_is_one_change(self):
        # The side branch merged main into itself, and main was moved forward to that: the
        # first parent of the merge is a state that main never had.
        poller = await self.started(branches=["main"])
        self.branch("side", "s1", "s2")
        own = self.repo.commit("own", name="file-own")
        await poller.force()
        self.repo("switch", "--quiet", "side")
        self.repo("merge", "--quiet", "--no-ff", "-m", "back", "main")
        merge = self.repo("rev-parse", "HEAD")
        last = self.repo.commit("last", name="file-last")
        self.repo("switch", "--quiet", "main")
        self.repo("merge", "--quiet", "--ff-only", "side")
        await poller.force()
        self.assertEqual(self.changes("revision"), [own, merge, last])
        files = [change["files"] for change in self.fake.changes.added[1:]]
        self.assertEqual(files, [["file-s1", "file-s2"], ["file-last"]])

    async def test_a_back_merge_of_a_branch_that_is_followed_is_its_own_change(self):
        poller = await self.started(branches=True)
        self.branch("side", "s1")
        await poller.force()
        self.repo.commit("own", name="file-own")
        self.repo("switch", "--quiet", "side")
        self.repo("merge", "--quiet", "-m", "back", "main")
        await poller.force()
        found = sorted(self.changes("branch", "comments")[1:])
        self.assertEqual(found, [("main", "own"), ("side", "back")])
        # Moving main forward to what the side branch had is nothing new.
        self.repo("switch", "--quiet", "main")
        self.repo("merge", "--quiet", "--ff-only", "side")
        await poller.force()
        self.assertEqual(len(self.changes()), 3)

    async def test_a_branch_moved_forward_has_all_commits_of_the_way(self):
        poller = await self.started(branches=["main"])
        made = self.branch("side", "s1", "s2", "s3")
        self.repo("merge", "--quiet", "--ff-only", "side")
        await poller.force()
        self.assertEqual(self.changes("revision"), made)

    async def test_a_forced_push_of_a_merge_follows_first_parents(self):
        poller = await self.started(branches=["main"])
        self.repo.commit("old", name="file-old")
        await poller.force()
        self.repo("reset", "--quiet", "--hard", self.first)
        self.branch("side", "s1", start=self.first)
        new = self.repo.commit("new", name="file-new")
        self.repo("merge", "--quiet", "--no-ff", "-m", "merge", "side")
        await poller.force()
        merge = self.repo("rev-parse", "main")
        self.assertEqual(self.changes("revision")[1:], [new, merge])
        # Back to where it was long ago: nothing that is new.
        self.repo("reset", "--quiet", "--hard", self.first)
        await poller.force()
        self.assertEqual(len(self.changes()), 3)
        self.assertEqual(self.state(), {"main": self.first})

    async def test_a_new_branch_with_merges_follows_first_parents(self):
        poller = await self.started(branches=["main", "rel"])
        self.branch("side", "s1", "s2")
        self.branch("rel", "r1")
        self.repo("switch", "--quiet", "rel")
        self.repo("merge", "--quiet", "--no-ff", "-m", "merge", "side")
        await poller.force()
        self.assertEqual(self.changes("branch", "comments"), [("rel", "r1"), ("rel", "merge")])

    async def test_a_new_branch_begins_where_it_leaves_a_branch_that_moved_as_well(self):
        poller = await self.started(branches=True)
        own = self.repo.commit("own", name="file-own")
        (new,) = self.branch("a-new-one", "n1")
        later = self.repo.commit("later", name="file-later")
        await poller.force()
        self.assertEqual(self.changes(), [("main", own), ("main", later), ("a-new-one", new)])

    async def test_a_branch_moved_to_a_known_commit_is_a_change_only_if_so_configured(self):
        for wanted, expected in ((False, []), (True, ["dev"])):
            self.fake.changes.added.clear()
            self.fake.state.values.clear()
            poller = await self.started(branches=True, buildPushesWithNoCommits=wanted)
            self.repo("branch", f"dev{int(wanted)}", "main")
            await poller.force()
            found = [branch.rstrip("01") for branch in self.changes("branch")]
            self.assertEqual(found, expected)

    async def test_a_forced_push_gives_the_commits_after_the_common_one(self):
        poller = await self.started()
        self.repo.commit("old")
        await poller.force()
        self.repo("reset", "--quiet", "--hard", self.first)
        new = self.repo.commit("new")
        await poller.force()
        self.assertEqual(self.changes("revision")[1:], [new])
        self.assertEqual(self.state(), {"main": new})

    async def test_a_deleted_branch_is_forgotten_and_may_make_room_for_others(self):
        self.repo("branch", "dev")
        poller = await self.started(branches=True)
        self.repo("branch", "-D", "dev")
        self.repo("switch", "--quiet", "-c", "dev/x")
        new = self.repo.commit("x")
        await poller.force()
        self.assertIsNone(poller.last_error)
        self.assertEqual(self.changes(), [("dev/x", new)])
        self.assertEqual(set(self.state()), {"main", "dev/x"})

    async def test_branches_may_be_chosen_by_a_function_of_the_reference(self):
        seen = []
        poller = await self.started(branches=lambda ref: seen.append(ref) or "dev" in ref)
        self.repo("switch", "--quiet", "-c", "dev")
        self.repo.commit("dev")
        self.repo("switch", "--quiet", "main")
        self.repo.commit("main")
        await poller.force()
        self.assertEqual(self.changes("branch"), ["dev"])
        self.assertIn("refs/heads/main", seen)

    async def test_tags_are_followed_if_so_configured(self):
        self.repo("tag", "v1")
        poller = await self.started(only_tags=True)
        new = self.repo.commit("two")
        self.repo("tag", "-a", "-m", "annotated", "v2")
        await poller.force()
        self.assertEqual(self.changes(), [("refs/tags/v2", new)])

    async def test_a_restarted_master_goes_on_where_it_was(self):
        poller = await self.started()
        await poller.become_inactive()
        new = self.repo.commit("two")
        again = await self.start()
        await again.force()
        self.assertEqual(self.changes("revision"), [new])

    async def test_a_lost_workdir_is_made_anew_without_loss(self):
        poller = await self.started(branches=True, workdir="w")
        self.repo("branch", "still")
        await poller.force()
        shutil.rmtree(os.path.join(self.fake.site.basedir, "w"))
        new = self.repo.commit("two")
        await poller.force()
        self.assertEqual(self.changes(), [("main", new)])

    async def test_a_commit_that_vanished_begins_the_branch_anew(self):
        poller = await self.started(workdir="w")
        poller.lastRev = {"main": "1" * 40}
        self.repo.commit("two")
        await poller.force()
        self.assertEqual(self.changes(), [])
        self.assertEqual(self.state(), {"main": self.repo("rev-parse", "main")})

    async def test_names_and_messages_that_are_no_text_are_taken(self):
        poller = await self.started()
        self.repo("config", "i18n.commitEncoding", "utf-8")
        self.repo.commit(b"caf\xe9 \xff", name=b"f\xff\nb")
        await poller.force()
        [change] = self.fake.changes.added
        self.assertEqual(change["files"], ["f\N{REPLACEMENT CHARACTER}\nb"])
        self.assertIn("caf", change["comments"])

    async def test_many_commits_are_read_by_one_call(self):
        poller = await self.started()
        made = [self.repo.commit(f"commit {n}", content=str(n)) for n in range(120)]
        calls = []
        run = poller._git.run
        poller._git.run = lambda *args, **kwargs: calls.append(args[0]) or run(*args, **kwargs)
        await poller.force()
        self.assertEqual(self.changes("revision"), made)
        self.assertEqual(calls.count("log"), 1)

    async def test_nothing_new_costs_one_call_of_git(self):
        poller = await self.started(branches=True)
        calls = []
        run = poller._git.run
        poller._git.run = lambda *args, **kwargs: calls.append(args[0]) or run(*args, **kwargs)
        await poller.force()
        self.assertEqual(calls, ["ls-remote"])

    async def test_an_error_is_logged_once_and_the_next_poll_tries_again(self):
        poller = await self.started()
        gone = self.repo.path + "-gone"
        os.rename(self.repo.path, gone)
        errors = []
        poller.log = type("Log", (), {"error": lambda _, *a, **k: errors.append(k["error"])})()
        poller.log.debug = poller.log.info = lambda *a, **k: None
        await poller.force()
        await poller.force()
        self.assertEqual(len(errors), 1)
        self.assertIn("does not appear to be a git repository", errors[0])
        os.rename(gone, self.repo.path)
        new = self.repo.commit("two")
        await poller.force()
        self.assertEqual(self.changes("revision"), [new])
        self.assertIsNone(poller.last_error)

    async def test_a_missing_program_is_an_error_like_others(self):
        poller = await self.start(gitbin="no-such-git")
        await poller.force()
        self.assertEqual(poller.last_error, "there is no program 'no-such-git'")

    async def test_an_empty_repository_may_get_its_first_commits_later(self):
        self.repo = Repository(os.path.join(self.base, "empty"))
        poller = await self.started()
        self.assertEqual(self.state(), {})
        new = self.repo.commit("first")
        await poller.force()
        self.assertEqual(self.changes(), [("main", new)])

    async def test_keys_and_passwords_are_given_to_git_and_removed(self):
        poller = await self.start(
            sshPrivateKey="KEY", sshHostKey="ssh-ed25519 AAAA", auth_credentials=("me", "p@ss")
        )
        seen = []
        run = poller._git.run

        async def watched(*args, config=(), env=None, **kwargs):
            if args[0] == "ls-remote":
                helper = config[-1].partition("--file=")[2]
                with open(helper) as file:
                    seen.append((helper, file.read(), os.stat(helper).st_mode & 0o777, env))
            return await run(*args, config=config, env=env, **kwargs)

        poller._git.run = watched
        await poller.force()
        [(helper, content, mode, env)] = seen
        self.assertIn("me:p%40ss@", content)
        self.assertEqual(mode, 0o600)
        self.assertIn("known_hosts", env["GIT_SSH_COMMAND"])
        self.assertFalse(os.path.exists(os.path.dirname(helper)))

    async def test_stopping_ends_a_hanging_git(self):
        script = os.path.join(self.base, "slow-git")
        with open(script, "w") as file:
            file.write("#!/bin/sh\nexec sleep 100\n")
        os.chmod(script, 0o755)
        poller = await self.start(gitbin=script)
        polling = poller.force()
        await poller.become_inactive()
        await polling
        self.assertIn("signal 15", poller.last_error)
