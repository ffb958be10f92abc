"""What a worker says of its machine and of who cares for it."""

import getpass
import os
import platform
from pathlib import Path

import pytest

from ci_worker.facts.machine import describe_admin, describe_machine


def test_the_machine_is_described_as_it_is(tmp_path: Path) -> None:
    release = tmp_path / "os-release"
    release.write_text('NAME="Plan 9"\nPRETTY_NAME="Plan 9 from Bell Labs"\n')
    text = describe_machine(release)
    assert text.startswith(f"{platform.node()}: Plan 9 from Bell Labs, ")
    for part in (platform.release(), platform.machine(), platform.python_version(), "GB memory"):
        assert part in text
    assert "processor" in text and "\n" not in text


def test_the_account_is_named_with_its_person(monkeypatch: pytest.MonkeyPatch) -> None:
    assert describe_admin().rstrip(">").endswith(f"{getpass.getuser()}@{platform.node()}")

    def nobody() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert describe_admin().startswith(f"user {os.getuid()}@")


def test_odd_characters_do_not_reach_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "node", lambda: "a\x1b[31m\nb" + "c" * 1000)
    assert describe_machine().isprintable() and len(describe_machine()) == 400
