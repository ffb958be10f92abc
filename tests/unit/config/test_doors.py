"""What a configuration lets strangers do is told at each load."""

from pathlib import Path

import pytest

from tests.unit.config.minimal import MINIMAL, faults_of, load

HOOKS = "'change_hook_dialects': {'base': True}"
CHECKER = "__import__('twisted.cred.checkers').cred.checkers.FilePasswordDB('p')"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (f"c['www'] = {{{HOOKS}}}", ["/change_hook/base, without a password"]),
        (f"c['www'] = {{{HOOKS}, 'change_hook_auth': []}}", ["/change_hook/base"]),
        (f"c['www'] = {{{HOOKS}, 'change_hook_auth': [{CHECKER}]}}", []),
        (f"c['www'] = {{{HOOKS}, 'change_hook_auth': False}}", []),
        ("c['www'] = {'change_hook_dialects': {'github': {'secret': 's', 'strict': True}}}", []),
        ("c['www'] = {'change_hook_dialects': {'github': {}}}", ["/change_hook/github"]),
        ("c['www'] = {'change_hook_dialects': {'poller': True}}", []),
        (
            "c['www'] = {'change_hook_dialects': {'a': {}, 'poller': True, 'base': True}}",
            ["/change_hook/a, /change_hook/base, without a password"],
        ),
        (
            "c['www'] = {'change_hook_dialects': dict.fromkeys('abcdefg', True)}",
            ["/change_hook/e and 2 more, without a password"],
        ),
        ("c['change_source'] = [changes.PBChangeSource()]", ["published default, 'changepw'"]),
        ("c['change_source'] = changes.PBChangeSource(port=1)", ["passwd=..."]),
        ("c['change_source'] = changes.PBChangeSource(passwd='x9')", []),
        ("c['change_source'] = changes.PBChangeSource(passwd=util.Secret('s'))", []),
        ("c['workers'] = [worker.Worker('w', 'pass')]", ["the password of 'w' is easily guessed"]),
        ("c['workers'] = [worker.Worker('w', 'w')]", ["pass for that worker"]),
        (
            "c['workers'] = [worker.Worker('w', 'pass')]\n"
            "c['protocols'] = {'pb': {'port': 'tcp:9989:interface=127.0.0.1'}}",
            [],
        ),
    ],
)
def test_an_open_door_is_warned_of_and_works(tmp_path: Path, lines: str, said: list[str]) -> None:
    warnings = load(tmp_path, MINIMAL + lines + "\n").warnings
    warnings = [text for text in warnings if "which this version does not have" not in text]
    assert len(warnings) == len(said)
    for text, warning in zip(said, warnings, strict=True):
        assert text in warning
        assert warning.startswith("master.cfg")


@pytest.mark.parametrize(
    ("www", "noted"),
    [
        ("{'port': 8010}", True),
        ("{'port': 'tcp:8010'}", True),
        ("{'port': 'tcp:8010:interface=0.0.0.0'}", True),
        ("{'port': 'tcp:8010:interface=127.0.0.1'}", False),
        ("{'port': 'tcp6:8010:interface=\\\\:\\\\:1'}", False),
        ("{'port': 'unix:/run/ci'}", False),
        ("{'port': None}", False),
    ],
)
def test_pages_that_everybody_can_act_on_are_noted(tmp_path: Path, www: str, noted: bool) -> None:
    config = load(tmp_path, MINIMAL + f"c['www'] = {www}\n")
    assert [("may force" in note) for note in config.notes] == [True] * noted


@pytest.mark.parametrize("given", ["True", "'x'", "[1]", "{}"])
def test_who_may_call_hooks_is_a_list_of_checkers(tmp_path: Path, given: str) -> None:
    (fault,) = faults_of(tmp_path, MINIMAL + f"c['www'] = {{'change_hook_auth': {given}}}\n")
    assert "must be a list of credential checkers" in fault


@pytest.mark.parametrize(
    ("name", "hint"), [("http://build-box:8010/", "'build-box'"), ("box/x", "'box'"), (" ", "")]
)
def test_a_host_is_no_address_of_a_page(tmp_path: Path, name: str, hint: str) -> None:
    (fault,) = faults_of(tmp_path, MINIMAL + f"c['www'] = {{'allowed_hosts': [{name!r}]}}\n")
    assert "is not the name of a host" in fault and hint in fault
