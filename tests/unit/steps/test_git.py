"""The Git step: which commands it sends. What they do is tested with real repositories."""

from typing import Any

import pytest

from ci_common.faults import ConfigError
from ci_common.results import CANCELLED, FAILURE, RETRY, SUCCESS
from ci_master.builds.properties import Interpolate, Secret
from ci_master.steps.source.base import leads_out
from ci_master.steps.source.git import Gerrit, Git, GitLab
from ci_master.steps.source.gitnames import why_no_address, why_no_branch, why_no_revision
from tests.fakes.builds import Ran, StepHarness

URL = "https://example.org/r.git"
SHA = "0123456789" * 4
INSIDE = {"GIT_CEILING_DIRECTORIES": "/home/worker/b1dir"}


class Script:
    """What the worker is asked, as short lines (``~``: a space in a word), with the answers."""

    def __init__(self, **options: Any) -> None:
        self.harness = StepHarness(**options)

    def git(self, line: str, rc: int = 0, out: str = "", **args: Any) -> None:
        words = [word.replace("~", " ") for word in line.split(" ")]
        args = {"workdir": "build", "env": INSIDE, **args}
        self.harness.expect("shell", command=["git", *words], **args).stdout(out).rc(rc)

    def patched(self, there: bool = False) -> None:
        self.harness.expect("stat", file="build/.buildbot-patched").rc(0 if there else 2)

    def clone_there(self, there: bool = True, tree: str = "build") -> None:
        self.harness.expect("stat", file=f"{tree}/.git").rc(0 if there else 2)

    def emptied(self, tree: str = "build") -> None:
        self.harness.expect("rmdir", dir=tree)
        self.harness.expect("mkdir", dir=tree)

    def tells_revision(self) -> None:
        self.git("rev-parse HEAD", out=f"{SHA}\n")

    def run(self, **arguments: Any) -> Ran:
        ran = self.harness.run(Git(repourl=URL, **arguments))
        assert ran.result == SUCCESS
        assert ran.properties["got_revision"] == SHA
        assert ran.sources["got_revision"] == "Git"
        return ran


def test_without_a_clone_there_is_made_one() -> None:
    script = Script()
    script.patched()
    script.clone_there(False)
    script.emptied()
    script.git(f"clone {URL} . --progress")
    script.tells_revision()
    assert script.run().state == "update"


def test_a_clone_of_a_branch_with_all_that_may_be_asked_for() -> None:
    script = Script(stamps=[{"branch": "dev", "revision": SHA}])
    script.emptied()
    script.git(
        f"clone --branch dev --depth 3 --filter blob:none --reference /ref --origin up {URL} ."
    )
    script.git(f"cat-file -e {SHA}^{{commit}}")
    script.git(f"checkout -f {SHA}")
    script.git("checkout -B dev")
    script.git("submodule update --init --recursive --remote")
    script.tells_revision()
    script.run(
        mode="full", method="clobber", shallow=3, filters=["blob:none"], reference="/ref",
        origin="up", progress=False, submodules=True, remoteSubmodules=True,
    )  # fmt: skip


def test_a_clone_that_is_there_is_updated() -> None:
    script = Script(stamps=[{"branch": "dev"}])
    script.patched()
    script.clone_there()
    script.git(f"fetch -f {URL} dev --progress")
    script.git("checkout -f FETCH_HEAD")
    script.git("checkout -B dev")
    script.tells_revision()
    script.run()


def test_tags_are_fetched_if_wanted_even_if_the_revision_is_there() -> None:
    script = Script(stamps=[{"branch": "dev", "revision": SHA}])
    script.patched()
    script.clone_there()
    script.git(f"fetch -f --tags {URL} dev")
    script.git(f"cat-file -e {SHA}^{{commit}}")
    script.git(f"checkout -f {SHA}")
    script.git("checkout -B dev")
    script.tells_revision()
    script.run(tags=True, progress=False)


@pytest.mark.parametrize(("method", "also"), [("fresh", " -x"), (None, " -x"), ("clean", "")])
def test_the_full_mode_cleans_before_and_submodules_after(method: str | None, also: str) -> None:
    script = Script()
    script.patched()
    script.clone_there()
    script.git(f"clean -f -f -d{also}")
    script.git(f"fetch -f {URL} HEAD --progress")
    script.git("checkout -f FETCH_HEAD")
    script.git("submodule sync")
    script.git("submodule update --init --recursive --force")
    script.git("submodule foreach --recursive " + f"git clean -f -f -d{also}".replace(" ", "~"))
    script.tells_revision()
    script.run(mode="full", method=method, submodules=True)


def test_the_copy_method_keeps_a_clone_beside_the_tree() -> None:
    script = Script()
    script.harness.expect("rmdir", dir="build")
    script.clone_there(tree="source")
    script.git(f"fetch -f {URL} HEAD --progress", workdir="source")
    script.git("checkout -f FETCH_HEAD", workdir="source")
    script.harness.expect("rmdir", dir="build")
    script.harness.expect("cpdir", fromdir="source", todir="build", timeout=1200)
    script.tells_revision()
    ran = script.run(mode="full", method="copy")
    assert ran.step.workdir == "build"


def test_what_was_patched_is_cleaned_first() -> None:
    script = Script()
    script.patched(True)
    script.git("clean -f -f -d -x")
    script.clone_there()
    script.git(f"fetch -f {URL} HEAD --progress")
    script.git("checkout -f FETCH_HEAD")
    script.tells_revision()
    script.run()


def test_settings_are_passed_to_each_command() -> None:
    script = Script()
    script.patched()
    script.clone_there()
    script.git(f"-c a.b=c fetch -f {URL} HEAD --progress")
    script.git("-c a.b=c checkout -f FETCH_HEAD")
    script.git("-c a.b=c rev-parse HEAD", out=SHA)
    script.run(config={"a.b": "c"})


def test_a_fetch_may_be_tried_twice() -> None:
    script = Script()
    script.patched()
    script.clone_there()
    script.git(f"fetch -f {URL} HEAD --progress", rc=128)
    script.git(f"fetch -f {URL} HEAD --progress")
    script.git("checkout -f FETCH_HEAD")
    script.tells_revision()
    script.run(retryFetch=True)


def test_a_failing_fetch_may_lead_to_a_new_clone() -> None:
    script = Script()
    script.patched()
    script.clone_there()
    script.git(f"fetch -f {URL} HEAD --progress", rc=128)
    script.emptied()
    script.git(f"clone {URL} . --progress")
    script.tells_revision()
    script.run(clobberOnFailure=True)


def test_a_step_that_fails_waits_and_tries_again() -> None:
    script = Script()
    script.patched()
    for rc in (128, 0):
        script.clone_there(False)
        script.emptied()
        script.git(f"clone {URL} . --progress", rc=rc)
    script.tells_revision()
    ran = script.harness.start(Git(repourl=URL, retry=(10, 1)))
    script.harness.clock.advance(9)
    assert not ran.done
    script.harness.clock.advance(1)
    assert ran.result == SUCCESS


def test_a_stop_while_it_waits_ends_it() -> None:
    script = Script()
    script.patched()
    script.clone_there(False)
    script.emptied()
    script.git(f"clone {URL} . --progress", rc=128)
    ran = script.harness.start(Git(repourl=URL, retry=(10, 1)))
    ran.build.stop("enough")
    assert ran.result == CANCELLED


def test_a_stop_during_a_command_ends_it() -> None:
    script = Script()
    script.patched()
    script.clone_there()
    script.harness.expect("shell").hangs()
    ran = script.harness.start(Git(repourl=URL, clobberOnFailure=True, retry=(10, 3)))
    ran.build.stop("enough")
    assert (ran.result, len(ran.commands)) == (CANCELLED, 3)


def test_a_lost_worker_makes_it_be_retried() -> None:
    script = Script()
    script.harness.expect("stat").loses_connection()
    assert script.harness.run(Git(repourl=URL, retry=(10, 3))).result == RETRY


def test_what_git_says_must_be_a_revision() -> None:
    script = Script()
    script.patched()
    script.clone_there()
    script.git(f"fetch -f {URL} HEAD --progress")
    script.git("checkout -f FETCH_HEAD")
    script.git("rev-parse HEAD", out="huh?\n")
    ran = script.harness.run(Git(repourl=URL))
    assert (ran.result, ran.state) == (FAILURE, "Git tells no revision, but 'huh?' (failure)")


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("", "git fetch: exit 128"),
        (
            "fatal: 'x' does not appear to be a repository\n\nPlease make sure it is right\n",
            "git fetch: fatal: 'x' does not appear to be a repository",
        ),
        ("ssh: no such host\n", "git fetch: ssh: no such host"),
        ("fatal: " + "x" * 110 + "hunter2\n", "git fetch: fatal: " + "x" * 110 + "<p\u2026"),
    ],
)
def test_what_failed_is_told(said: str, wanted: str) -> None:
    script = Script(secrets={"pw": "hunter2"})
    script.patched()
    script.clone_there()
    command = ["git", "-c", "a.b=c", "fetch", "-f", URL, "HEAD", "--progress"]
    script.harness.expect("shell", command=command).stderr(said).rc(128)
    step = Git(repourl=URL, config={"a.b": "c"}, descriptionDone=[Secret("pw")])
    ran = script.harness.run(step)
    assert (ran.result, ran.state) == (FAILURE, f"<pw> (failure): {wanted}")


def test_a_program_that_may_fail_is_not_blamed_afterwards() -> None:
    script = Script(stamps=[{"branch": "dev", "revision": SHA}])
    script.patched()
    script.clone_there()
    script.git(f"cat-file -e {SHA}", rc=1)
    script.git(f"fetch -f {URL} dev --progress")
    script.git(f"cat-file -e {SHA}^{{commit}}", rc=1)
    script.git(f"fetch -f {URL} {SHA}", rc=1)
    ran = script.harness.run(Git(repourl=URL))
    assert (ran.result, ran.state) == (FAILURE, f"revision {SHA} not found in {URL} (failure)")


def test_a_codebase_that_the_build_has_not_is_told() -> None:
    ran = StepHarness().run(Git(repourl=URL, codebase="app"))
    assert (ran.result, ran.state) == (FAILURE, "Codebase app not in build app (failure)")


def test_the_newest_is_taken_whatever_the_stamp_says() -> None:
    script = Script(stamps=[{"branch": "dev", "revision": SHA}])
    script.patched()
    script.clone_there()
    script.git(f"fetch -f {URL} main --progress")
    script.git("checkout -f FETCH_HEAD")
    script.git("checkout -B main")
    script.tells_revision()
    script.run(branch="main", alwaysUseLatest=True)


def test_a_patch_is_read_from_storage_and_applied() -> None:
    class Stamps:
        async def patch_body(self, patchid: int) -> bytes:
            return b"patch %d" % patchid

    patch = {"patchid": 5, "level": 1, "body": None, "subdir": "sub"}
    script = Script(stamps=[{"patch": patch}])
    script.harness.data.sourcestamps = Stamps()  # type: ignore[attr-defined]  # one more room
    script.patched()
    script.clone_there()
    script.git(f"fetch -f {URL} HEAD --progress")
    script.git("checkout -f FETCH_HEAD")
    expect = script.harness.expect
    diff = expect("downloadFile", workerdest=".buildbot-diff", workdir="build/sub").download()
    expect("downloadFile", workerdest=".buildbot-patched", workdir="build").download()
    apply = "patch -p1 --remove-empty-files --force --forward -i .buildbot-diff"
    expect("shell", command=apply.split(), workdir="build/sub")
    expect("rmfile", path="build/sub/.buildbot-diff")
    script.tells_revision()
    script.run()
    assert diff.downloaded == b"patch 5"


# -- being let in


def test_keys_are_put_on_the_worker_and_taken_away_whatever_happens() -> None:
    script = Script(secrets={"key": "KEY", "host": "ssh-ed25519 AAA"})
    expect = script.harness.expect
    expect("mkdir", dir=".build.git-access")
    key = expect("downloadFile", workerdest="ssh-key", workdir=".build.git-access", mode=0o400)
    key.download()
    hosts = expect("downloadFile", workerdest="ssh-known-hosts", mode=0o400).download()
    script.patched()
    script.clone_there()
    base = "/home/worker/b1dir/.build.git-access"
    ssh = (
        f"ssh -i {base}/ssh-key -o IdentitiesOnly=yes -o BatchMode=yes -p 2222 "
        f"-o UserKnownHostsFile={base}/ssh-known-hosts"
    )
    env = {**INSIDE, "A": "b", "GIT_TERMINAL_PROMPT": "0", "GIT_SSH_COMMAND": ssh}
    script.git(f"fetch -f {URL} HEAD --progress", rc=128, env=env)
    expect("rmdir", dir=".build.git-access")
    step = Git(
        repourl=URL, sshPrivateKey=Secret("key"), sshHostKey=Secret("host"), port=2222,
        env={"A": "b"},
    )  # fmt: skip
    ran = script.harness.run(step)
    assert ran.result == FAILURE
    assert (key.downloaded, hosts.downloaded) == (b"KEY\n", b"* ssh-ed25519 AAA\n")


def test_a_password_is_given_by_a_program_and_not_on_the_command_line() -> None:
    script = Script(secrets={"pw": "it's"})
    expect = script.harness.expect
    expect("mkdir")
    ask = expect("downloadFile", workerdest="askpass", mode=0o500).download()
    script.patched()
    script.clone_there(False)
    script.emptied()
    askpass = "/home/worker/b1dir/.build.git-access/askpass"
    env = {**INSIDE, "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": askpass}
    script.git(f"clone {URL} . --progress", env=env)
    script.git("rev-parse HEAD", out=SHA, env=env)
    expect("rmdir")
    script.run(auth_credentials=("me", Interpolate("%(secret:pw)s")))
    assert ask.downloaded is not None
    assert b"printf '%s\\n' me ;;" in ask.downloaded
    assert b"printf '%s\\n' 'it'\"'\"'s' ;;" in ask.downloaded


# -- forges


def test_a_gerrit_patch_set_is_fetched_by_its_reference() -> None:
    for properties, ref in (
        ({"event.patchSet.ref": "refs/changes/05/105/2"}, "refs/changes/05/105/2"),
        ({"gerrit_change": "1207/3"}, "refs/changes/07/1207/3"),
    ):
        script = Script(properties=properties, stamps=[{"branch": "main", "revision": "other"}])
        script.patched()
        script.clone_there()
        script.git(f"fetch -f {URL} {ref} --progress")
        script.git("checkout -f FETCH_HEAD")
        script.tells_revision()
        ran = script.harness.run(Gerrit(repourl=URL))
        assert ran.result == SUCCESS
        assert ran.properties["gerrit_branch"] == ref


def test_a_merge_request_is_merged_into_its_target() -> None:
    properties = {"source_branch": "feature", "source_git_ssh_url": "git@fork"}
    script = Script(properties=properties, stamps=[{"branch": "main"}])
    script.patched()
    script.clone_there()
    script.git(f"fetch -f {URL} main --progress")
    script.git("checkout -f FETCH_HEAD")
    script.git("checkout -B main")
    script.tells_revision()
    script.git("fetch git@fork feature")
    script.git("-c user.name=merge -c user.email=merge@localhost merge FETCH_HEAD")
    script.tells_revision()
    assert script.harness.run(GitLab(repourl=URL)).result == SUCCESS


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"repourl": None}, "names no repository"),
        ({"mode": "fast"}, "'mode' of a Git step is 'fast'"),
        ({"mode": "full", "method": "cleen"}, "'method' of a Git step is 'cleen'"),
        ({"mode": "full", "method": "fresh", "shallow": True}, "needs mode='full'"),
        ({"getDescription": "yes"}, "write True, or a dict"),
        ({"getDescription": {"tag": True}}, "no options tag"),
        ({"sshKnownHosts": "a", "sshHostKey": "b", "sshPrivateKey": "c"}, "give one"),
        ({"sshKnownHosts": "a"}, "give 'sshPrivateKey' as well"),
        ({"git_credentials": object()}, "give auth_credentials"),
        ({"retry": 3}, "write (delay in seconds, how many times)"),
        ({"submodule": True}, "did you mean 'submodules'"),
    ],
)
def test_wrong_arguments_are_faults(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Git(**{"repourl": URL, **arguments})
    assert words in str(raised.value)


@pytest.mark.parametrize(
    "branch",
    ["--upload-pack=touch x", "-x", "+refs/heads/*:refs/heads/*", "a:refs/heads/b", "a b", "a\nb",
     "a..b", "a~1", "x.lock", "/a", "a/", ".a", "a/.b", "a@{1}", "a\\b"],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["stamp", "step"])
def test_a_branch_that_git_would_take_for_something_else_is_refused(branch: str, kind: str) -> None:
    harness = StepHarness(stamps=[{"branch": branch if kind == "stamp" else None}])
    ran = harness.run(Git(repourl=URL, **({"branch": branch} if kind == "step" else {})))
    assert ran.result == FAILURE and ran.commands == []
    assert "there is no branch" in ran.state


@pytest.mark.parametrize(
    "branch", ["feature/a-b", "refs/pull/1/merge", "v1.0", "HEAD", "\u00fcber"]
)
def test_usual_names_are_branches(branch: str) -> None:
    assert why_no_branch(branch) == ""


@pytest.mark.parametrize("revision", ["--orphan", "-f", "^a", "a b", "a:b", "a..b", "a\n"])
def test_a_revision_that_is_none_is_refused(revision: str) -> None:
    ran = StepHarness(stamps=[{"revision": revision}]).run(Git(repourl=URL))
    assert ran.result == FAILURE and ran.commands == []
    assert "there is no revision" in ran.state


@pytest.mark.parametrize("revision", [SHA, "HEAD~2", "v1^{commit}", "main@{yesterday}"])
def test_what_git_understands_is_a_revision(revision: str) -> None:
    assert why_no_revision(revision) == ""


@pytest.mark.parametrize("url", ["--upload-pack=x", "-x", "ext::sh -c x", "fd::3", "a\nb"])
def test_an_address_made_of_properties_that_runs_programs_is_refused(url: str) -> None:
    harness = StepHarness(stamps=[{"repository": url}])
    ran = harness.run(Git(repourl=Interpolate("%(src::repository)s")))
    assert ran.result == FAILURE and ran.commands == []
    assert "there is no repository" in ran.state


def test_an_address_that_is_written_out_may_name_a_helper() -> None:
    assert why_no_address("ext::ssh host", configured=True) == ""
    assert why_no_address("ext::ssh host", configured=False)
    assert why_no_address("git@host:path", configured=False) == ""
    assert why_no_address("ssh://git@[::1]/path", configured=False) == ""


@pytest.mark.parametrize(
    "given", [{"source_branch": "--upload-pack=x"}, {"source_git_ssh_url": "--upload-pack=x"}]
)
def test_what_a_merge_request_says_is_checked_before_it_is_fetched(given: dict[str, str]) -> None:
    harness = StepHarness(
        properties={"source_branch": "feature", "source_git_ssh_url": "git@host:fork", **given}
    )
    script = Script.__new__(Script)
    script.harness = harness
    script.patched()
    script.clone_there(False)
    script.emptied()
    script.git(f"clone {URL} . --progress")
    script.tells_revision()
    ran = harness.run(GitLab(repourl=URL))
    assert ran.result == FAILURE


@pytest.mark.parametrize("subdir", ["..", "a/../../b", "/etc", "C:/x", "a\\..\\b", "\\x"])
def test_a_patch_stays_in_the_tree(subdir: str) -> None:
    assert leads_out(subdir)
    assert not leads_out("src/lib") and not leads_out("a..b")
