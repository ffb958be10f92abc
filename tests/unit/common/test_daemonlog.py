"""What of the log is written down."""

import os
from pathlib import Path
from typing import Any

import pytest

from ci_common.daemonlog import RotatedLog, without_noise


def written(event: dict[str, Any]) -> bool:
    seen: list[dict[str, Any]] = []
    without_noise(seen.append)(event)
    return seen == [event]


@pytest.mark.parametrize("text", ["PBFactory starting on 9989", "(TCP Port 9989 Closed)"])
def test_what_twisted_says_of_ports_is_left_out(text: str) -> None:
    assert not written({"message": (text,)})


@pytest.mark.parametrize(
    "event",
    [
        {"message": ("a program is starting on 9989 workers",)},
        {"message": (), "log_format": "PBFactory starting on 9989"},
        {"message": (), "isError": 1},
        {"message": (3,)},
        {},
    ],
)
def test_all_else_is_written(event: dict[str, Any]) -> None:
    assert written(event)


def test_a_log_that_cannot_be_rotated_goes_on_and_tries_again_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[str] = []

    def refuse(source: str, target: str) -> None:
        tries.append(source)
        raise PermissionError(13, "somebody has it open")

    log = RotatedLog("log", str(tmp_path), rotateLength=20)
    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", refuse)
        for _ in range(5):
            log.write("ten bytes\n")
    assert len(tries) == 2
    for _ in range(3):
        log.write("ten bytes\n")
    log.close()
    assert (tmp_path / "log.1").exists()
    text = (tmp_path / "log.1").read_text() + (tmp_path / "log").read_text()
    assert text == "ten bytes\n" * 8
