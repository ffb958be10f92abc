"""What tests of several folders share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests import postgres

ROOT = Path(__file__).resolve().parents[1]

# How long an example takes says nothing where other work runs beside it.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

# A git command of a test that runs in the wrong place must not find this project's repository.
os.environ["GIT_CEILING_DIRECTORIES"] = os.pathsep.join((str(ROOT), str(ROOT.parent)))
os.environ["GIT_CONFIG_NOSYSTEM"] = "1"


@pytest.fixture(scope="session", autouse=True)
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests run in a directory of their own: what they leave there does not end up here."""
    os.chdir(tmp_path_factory.mktemp("cwd"))
    yield
    os.chdir(ROOT)


def missing(reason: str) -> None:
    """Skip for want of a program; where nothing may be skipped, fail."""
    if os.environ.get("CI_REQUIRE_ALL"):
        pytest.fail(reason)
    pytest.skip(reason)


def started_cluster() -> Iterator[postgres.Cluster]:
    """The body of a fixture: a PostgreSQL server that ends with it."""
    reason = postgres.why_unavailable()
    if reason is not None:
        missing(reason)
    cluster = postgres.Cluster()
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[postgres.Cluster]:
    """A PostgreSQL server for this run's tests."""
    yield from started_cluster()
