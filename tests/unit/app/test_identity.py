"""Whether the holder of a database's lease still runs, as far as another master can know."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from ci_master.app.identity import identity_of, is_gone, note_token
from ci_master.storage.leases import Holder

ME = Holder("host", "host boot1", os.getpid(), "", "/srv/m", "new")


@pytest.fixture
def here(tmp_path: Path) -> Holder:
    return identity_of(str(tmp_path)).me


def test_a_process_of_this_machine_that_lives_is_not_gone(here: Holder) -> None:
    assert not is_gone(here, here, here.token)
    assert not is_gone(replace(here, directory="/elsewhere"), here, "")


def test_a_process_of_this_machine_that_ended_is_gone(here: Holder) -> None:
    assert is_gone(replace(here, pid=2**22 + 1), here, "")


def test_another_process_that_got_the_number_since_does_not_count(here: Holder) -> None:
    if not here.began:
        pytest.skip("this system does not tell when a process began")
    assert is_gone(replace(here, began="1"), here, "")


@pytest.mark.parametrize(
    ("other", "token", "gone"),
    [
        (replace(ME, machine="host boot0", token="old"), "old", True),  # after a reboot
        (replace(ME, machine="host boot0", token="old"), "older", False),  # not from here
        (replace(ME, machine="host boot0", token="old", host="twin"), "old", False),  # a copy
        (replace(ME, machine="host boot0", token="old", directory="/srv/n"), "old", False),
        (replace(ME, machine="other boot0", host="other", token="x"), "", False),
    ],
)
def test_of_another_machine_only_the_same_directory_tells(
    other: Holder, token: str, gone: bool
) -> None:
    assert is_gone(other, ME, token) is gone


def test_the_holder_of_the_file_that_ours_is_a_copy_of_does_not_hold_ours(tmp_path: Path) -> None:
    original, copy = tmp_path / "a", tmp_path / "b"
    original.mkdir(), copy.mkdir()
    for directory in (original, copy):
        (directory / "state.sqlite").touch()
    (tmp_path / "link").symlink_to(original)
    url = "sqlite:///state.sqlite"
    holder = identity_of(str(original), url).me
    assert holder.file
    assert identity_of(str(copy), url).is_gone(holder)
    assert not identity_of(str(tmp_path / "link"), url).is_gone(holder)
    assert not identity_of(str(copy), f"sqlite:///{original}/state.sqlite").is_gone(holder)
    assert not identity_of(str(copy), "postgresql://h/d").is_gone(holder)
    assert not identity_of(str(copy), url).is_gone(replace(holder, machine="other"))


def test_the_token_is_found_again_by_the_next_run(tmp_path: Path) -> None:
    first = identity_of(str(tmp_path))
    note_token(first)
    second = identity_of(str(tmp_path))
    elsewhere = replace(first.me, machine="rebooted")
    assert second.is_gone(elsewhere)
    assert (tmp_path / "database.lease").stat().st_mode & 0o777 == 0o600
    assert second.me.token != first.me.token
