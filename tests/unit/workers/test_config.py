"""Workers in a configuration: names, numbers, and what is wrong with them."""

from typing import Any

import pytest

from ci_common.faults import ConfigError
from ci_master.workers.config import Worker
from ci_master.workers.local import LocalWorker


@pytest.mark.parametrize("name", ["linux-a", "_w", "W1", "a" * 50])
def test_identifiers_are_names(name: str) -> None:
    assert Worker(name, "pw").workername == name


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.b", "worker name 'a.b' is not an identifier"),
        ("1a", "worker name '1a' is not an identifier"),
        ("a b", "is not an identifier"),
        ("change", "worker name 'change' is reserved"),
        ("a" * 51, "longer than 50 characters"),
        ("", "must be a string"),
        (None, "Worker has no name"),
    ],
)
def test_other_names_are_faults(name: Any, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        Worker(name, "pw")


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"max_builds": 0}, "max_builds is 0, but must be a whole number from 1 up"),
        ({"max_builds": 1.5}, "max_builds is 1.5"),
        ({"missing_timeout": "x"}, "missing_timeout is 'x'"),
        ({"keepalive_interval": -1}, "keepalive_interval is -1"),
        ({"properties": []}, "properties is \\[\\], but must be a dict"),
        ({"notify_on_missing": [3]}, "notify_on_missing has 3"),
        ({"locks": "db"}, "locks is 'db', but must be a list"),
    ],
)
def test_what_cannot_be_is_a_fault(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        Worker("w", "pw", **settings)


def test_a_worker_without_password_is_a_fault() -> None:
    with pytest.raises(ConfigError, match="no password"):
        Worker("w", "")


def test_what_is_said_is_kept() -> None:
    worker = Worker("w", password="pw", notify_on_missing="a@b", properties={"os": "x"}, locks=[1])
    assert worker.password == "pw" and worker.notify_on_missing == ["a@b"]
    assert worker.properties == {"os": "x"} and worker.locks == [1]
    assert (worker.max_builds, worker.missing_timeout, worker.keepalive_interval) == (
        None,
        3600,
        30,
    )


def test_a_local_worker_needs_no_password_and_has_its_own() -> None:
    one, other = LocalWorker("a"), LocalWorker("b", workdir="x", max_builds=2)
    assert one.password and one.password != other.password
    assert other.workdir == "x" and other.max_builds == 2
    assert not one.canReconfigWithSibling(LocalWorker("a", workdir="y"))
    assert one.canReconfigWithSibling(LocalWorker("a", max_builds=3))
