"""What needs no git: its arguments, its output, its keys."""

import os

import pytest

from ci_common.faults import ConfigError
from ci_master.changes.git_access import GitAccess, GitKeys
from ci_master.changes.git_log import CommitFormat, RefChoice, parse_refs
from ci_master.changes.git_program import without_password
from ci_master.changes.gitpoller import GitPoller

REFS = {
    "HEAD": "1",
    "refs/heads/main": "1",
    "refs/heads/dev": "2",
    "refs/heads/rel/1": "3",
    "refs/tags/v1": "4",
    "refs/pull/7/head": "5",
}


@pytest.mark.parametrize(
    ("branches", "only_tags", "asked", "chosen"),
    [
        (None, False, ["HEAD"], ["refs/heads/main"]),
        (
            True,
            False,
            ["refs/heads/*"],
            ["refs/heads/dev", "refs/heads/main", "refs/heads/rel/1"],
        ),
        (["dev", "no"], False, ["refs/heads/dev", "refs/heads/no"], ["refs/heads/dev"]),
        (["rel/*"], False, ["refs/heads/rel/*"], ["refs/heads/rel/1"]),
        (["refs/pull/*"], False, ["refs/pull/*"], ["refs/pull/7/head"]),
        (lambda ref: "/v" in ref, False, [], ["refs/tags/v1"]),
        (None, True, ["refs/tags/*"], ["refs/tags/v1"]),
        (["v2"], True, ["refs/tags/v2"], []),
    ],
)
def test_references_are_chosen(branches, only_tags, asked, chosen):
    choice = RefChoice(branches, only_tags)
    assert choice.arguments() == asked
    assert sorted(choice.choose(REFS, "refs/heads/main")) == chosen


def test_the_answer_of_ls_remote_is_read():
    output = b"ref: refs/heads/main\tHEAD\naa\tHEAD\nbb\trefs/tags/v1\ncc\trefs/tags/v1^{}\n"
    assert parse_refs(output, "utf-8") == ({"HEAD": "aa", "refs/tags/v1": "bb"}, "refs/heads/main")


def test_a_log_without_commits_is_empty():
    assert CommitFormat().parse(b"", "utf-8") == []


def test_passwords_in_urls_are_masked():
    text = "fatal: unable to access 'https://me:secret@host/x'"
    assert without_password(text) == "fatal: unable to access 'https://me:***@host/x'"


def test_without_keys_nothing_is_written():
    access = GitAccess.prepare(GitKeys())
    assert (access.config, access.env, access.directory) == ([], {}, None)


def test_credentials_become_lines_of_a_store():
    texts = [
        "url=https://host/a/b\nusername=me\npassword=p:@/",
        "protocol=http\nhost=h:80\nusername=u\npassword=q",
    ]
    access = GitAccess.prepare(GitKeys(credentials=texts, use_http_path=True))
    try:
        with open(access.config[1].partition("--file=")[2]) as file:
            lines = file.read().splitlines()
        assert lines == ["https://me:p%3A%40%2F@host/a/b", "http://u:q@h:80"]
        assert access.config[2] == "credential.useHttpPath=true"
    finally:
        access.remove()
    assert not os.path.exists(access.directory)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"repourl": ""}, "repourl"),
        ({"branch": "a", "branches": ["b"]}, "cannot be given together"),
        ({"branches": "main"}, "branches=['main']"),
        ({"branches": [1]}, "'branches' is [1]"),
        ({"fetch_refspec": "x"}, "fetch_refspec"),
        ({"encoding": "nope"}, "no encoding 'nope'"),
        ({"pollinterval": 5}, "did you mean 'pollInterval'"),
        ({"sshHostKey": "x"}, "sshPrivateKey"),
        ({"auth_credentials": "x"}, "auth_credentials"),
        ({"git_credentials": "x"}, "GitCredentialOptions"),
        ({"pollInterval": "x"}, "pollInterval"),
    ],
)
def test_faults_of_the_configuration_are_named(arguments, text):
    with pytest.raises(ConfigError) as caught:
        GitPoller(**{"repourl": "git://x", **arguments})
    assert text in str(caught.value)


def test_the_name_is_that_of_the_repository():
    assert GitPoller("git://x").name == "git://x"
    assert GitPoller(repourl="git://x", name="n").name == "n"
