"""Where secrets are kept, and in which order the places are asked."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, ensureDeferred, inlineCallbacks, succeed

from ci_common.faults import ConfigError
from ci_master.data.recorded import same
from ci_master.secrets import (
    SecretDetails,
    SecretInAFile,
    SecretInPass,
    SecretProviderBase,
    Secrets,
)


def now(work: Any) -> Any:
    """The result of a coroutine that need not wait."""
    results: list[Any] = []
    ensureDeferred(work).addBoth(results.append)
    (result,) = results
    if hasattr(result, "raiseException"):
        result.raiseException()
    return result


def found(secrets: Secrets, name: str) -> str | None:
    details = now(secrets.get(name))
    return None if details is None else details.value


class Mine(SecretProviderBase):
    """A provider as a user would write it."""

    name = "mine"
    running_now: list[str] = []

    def checkConfig(self, values: dict[str, str]) -> None:
        self.refuse([] if isinstance(values, dict) else [("values must be a dict", "write {}")])

    async def reconfigService(self, values: dict[str, str]) -> None:
        self.values = values

    def startService(self) -> None:
        super().startService()
        self.running_now.append(self.values["id"])

    def stopService(self) -> Deferred[None]:
        self.running_now.remove(self.values["id"])
        return super().stopService()

    def get(self, entry: str) -> Any:
        return self.values.get(entry)


class Later(Mine):
    @inlineCallbacks
    def get(self, entry: str) -> Any:
        value = yield succeed(self.values.get(entry))
        return value


def test_providers_are_asked_in_order() -> None:
    secrets = Secrets([Mine({"id": "1", "a": "A1"}), Later({"id": "2", "a": "A2", "b": "B2"})])
    assert found(secrets, "a") == "A1"
    assert found(secrets, "b") == "B2"
    assert found(secrets, "c") is None
    assert now(secrets.get("b")) == SecretDetails("mine", "b", "B2")
    now(secrets.stop())


def test_a_new_configuration_touches_only_what_differs() -> None:
    kept, gone = Mine({"id": "kept"}), Mine({"id": "gone"})
    secrets = Secrets([kept, gone])
    now(secrets.start())
    assert Mine.running_now == ["kept", "gone"]
    now(secrets.replace([Mine({"id": "new", "x": "X"}), kept]))
    assert Mine.running_now == ["kept", "new"]
    assert found(secrets, "x") == "X"
    now(secrets.stop())
    assert Mine.running_now == []
    assert found(secrets, "x") is None


def test_providers_can_be_compared_and_named() -> None:
    assert same(Mine({"a": "1"}), Mine({"a": "1"}))
    assert not same(Mine({"a": "1"}), Mine({"a": "2"}))
    assert not same(Mine({"a": "1"}), Mine({"a": "1"}, name="other"))
    with pytest.raises(ConfigError, match="mine: values must be a dict"):
        Mine(3)


def test_details_do_not_show_the_value() -> None:
    assert "v4lue" not in repr(SecretDetails("source", "key", "v4lue"))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for name, text in (("a", " s \n\n"), ("b.txt", "B\r\n"), ("c.json", "{}")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    (tmp_path / "sub").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("options", "name", "wanted"),
    [
        ({}, "a", " s "),
        ({"strip": False}, "a", " s \n\n"),
        ({}, "b.txt", "B"),
        ({}, "b", None),
        ({"suffixes": [".json", ".txt"]}, "b", "B"),
        ({"suffixes": [".json", ".txt"]}, "c", "{}"),
        ({"suffixes": [".txt"]}, "c", None),
        ({}, "sub", None),
        ({}, "", None),
        ({}, "..", None),
        ({}, "../x", None),
        ({}, "sub/x", None),
    ],
)
def test_a_file_is_a_secret(
    directory: Path, options: dict[str, Any], name: str, wanted: str | None
) -> None:
    assert found(Secrets([SecretInAFile(str(directory), **options)]), name) == wanted


def test_a_changed_file_is_seen(directory: Path) -> None:
    secrets = Secrets([SecretInAFile(str(directory))])
    assert found(secrets, "a") == " s "
    (directory / "a").write_text("new")
    assert found(secrets, "a") == "new"


def test_files_are_read_where_blocking_does_no_harm(directory: Path) -> None:
    asked: list[str] = []

    def in_thread(function: Any, *args: Any) -> Deferred[Any]:
        asked.append(args[0])
        return succeed(function(*args))

    secrets = Secrets([SecretInAFile(str(directory))], in_thread=in_thread)
    assert found(secrets, "a") == " s "
    assert asked == ["a"]


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")
@pytest.mark.parametrize(
    ("mode", "refused"), [(0o600, False), (0o640, False), (0o604, True), (0o601, True)]
)
def test_a_file_that_others_can_get_at_is_refused(
    directory: Path, mode: int, refused: bool
) -> None:
    secrets = Secrets([SecretInAFile(str(directory))])
    (directory / "a").chmod(mode)
    if not refused:
        SecretInAFile(str(directory))
        assert found(secrets, "a") == " s "
        return
    SecretInAFile(str(directory), suffixes=[".txt"])  # it is none of these
    with pytest.raises(ConfigError, match="chmod o-rwx"):
        SecretInAFile(str(directory))
    with pytest.raises(ConfigError, match="everybody can get at"):
        found(secrets, "a")


def test_wrong_arguments_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no directory"):
        SecretInAFile(str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="must be a path"):
        SecretInAFile(3)
    with pytest.raises(ConfigError, match=r"write \['.txt'\]"):
        SecretInAFile(str(tmp_path), suffixes=".txt")


@pytest.fixture
def password_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A program ``pass`` that is never run: what would be run is noted down."""
    runs: list[Any] = []

    def run(command: list[str], env: dict[str, str]) -> Any:
        runs.append((command, {k: v for k, v in env.items() if k.startswith("PASSWORD_STORE")}))
        known = {"x/y": (0, "first\nlogin: me\n"), "empty": (0, "")}
        code, out = known.get(command[1], (1, ""))
        return subprocess.CompletedProcess(command, code, out, "Error: not in the store")

    program = tmp_path / "pass"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(SecretInPass, "run_program", staticmethod(run))
    return runs


def test_pass_is_asked_for_its_first_line(password_store: list[Any], tmp_path: Path) -> None:
    secrets = Secrets([SecretInPass("phrase", str(tmp_path))])
    assert found(secrets, "x/y") == "first"
    assert found(secrets, "empty") is None
    assert found(secrets, "unknown") is None
    assert found(secrets, "--help") is None
    environment = {
        "PASSWORD_STORE_GPG_OPTS": "--passphrase phrase",
        "PASSWORD_STORE_DIR": str(tmp_path),
    }
    asked = ["x/y", "empty", "unknown"]
    assert password_store == [(["pass", name], environment) for name in asked]


def test_pass_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError) as caught:
        SecretInPass(dirname=str(tmp_path / "none"))
    assert len(caught.value.faults) == 2
