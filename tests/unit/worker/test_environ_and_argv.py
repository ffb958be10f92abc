"""The environment and the command line of a program."""

import os
from typing import Any

import pytest

from ci_worker.commands.argv import command_line
from ci_worker.commands.environ import environment

OURS = {"HOME": "/home/me", "PYTHONPATH": "/there", "GONE": "1"}


@pytest.mark.parametrize(
    ("changes", "name", "value"),
    [
        ({"A": "b"}, "A", "b"),
        ({"A": ["x", "y"]}, "A", "x:y"),
        ({"A": b"bytes"}, "A", "bytes"),
        ({"A": "<${HOME}${NOPE}>"}, "A", "</home/me>"),
        ({"A": "$HOME ${"}, "A", "$HOME ${"),
        ({"GONE": None}, "GONE", None),
        ({"PYTHONPATH": "/new"}, "PYTHONPATH", "/new:/there"),
        (None, "PWD", "/work"),
        ({"PWD": "elsewhere"}, "PWD", "/work"),
    ],
)
def test_the_master_changes_the_environment(changes: Any, name: str, value: str | None) -> None:
    assert environment(changes, OURS, "/work").get(name) == value


@pytest.mark.parametrize("value", [3, [3], {"a": "b"}])
def test_a_value_that_is_no_text_is_refused_with_its_name(value: Any) -> None:
    with pytest.raises(TypeError, match="'A' is"):
        environment({"A": value}, OURS, "/work")


@pytest.mark.parametrize(
    ("command", "run", "shown", "text"),
    [
        ("echo 'a b'", ["/bin/sh", "-c", "echo 'a b'"], "echo 'a b'", "echo 'a b'"),
        (["echo", "a b", ""], ["echo", "a b", ""], ["echo", "a b", ""], "echo 'a b' \"\""),
        (["p", ("obfuscated", "real", "XX")], ["p", "real"], ["p", "XX"], "p XX"),
        (["p", b"\xff"], ["p", "\udcff"], ["p", "\ufffd"], "p '\ufffd'"),
        (["echo", 3, "x"], ["echo", "3", "x"], ["echo", "3", "x"], "echo 3 x"),
    ],
)
def test_a_command_line_is_run_and_shown(
    command: Any, run: list[str], shown: Any, text: str
) -> None:
    line = command_line(command)
    assert (line.run, line.shown, str(line)) == (run, shown, text)


def test_an_empty_list_is_no_command() -> None:
    with pytest.raises(ValueError, match="empty"):
        command_line([])


class TestWindows:
    @pytest.fixture(autouse=True)
    def windows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "name", "nt")
        monkeypatch.setenv("COMSPEC", "cmd.exe")

    def test_a_line_for_the_shell_is_handed_over_as_it_is(self) -> None:
        line = command_line('echo "a b" && dir')
        assert line.run == 'cmd.exe /c "echo "a b" && dir"'
        assert (str(line), line.program) == ('echo "a b" && dir', "cmd.exe")

    def test_the_case_of_a_variables_name_does_not_matter(self) -> None:
        made = environment({"Path": "${path};x", "gone": None}, {"PATH": "a", "GONE": "1"}, "w")
        assert made == {"PATH": "a;x", "PWD": "w"}
