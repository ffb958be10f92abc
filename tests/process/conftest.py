"""What tests with real processes share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import postgres
from tests.conftest import started_cluster
from tests.process.farm import Farm, Repository, farm_in


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Farm]:
    """Masters and workers that end with the test."""
    yield from farm_in(tmp_path)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """An empty bare repository and a clone of it."""
    return Repository(tmp_path)


@pytest.fixture(params=["sqlite", "postgresql"])
def db_url(request: pytest.FixtureRequest) -> str | None:
    """URL of an empty database; None for a new SQLite file in the master's directory."""
    if request.param == "sqlite":
        return None
    url: str = request.getfixturevalue("postgres_cluster").new_database()
    return url


@pytest.fixture
def cluster() -> Iterator[postgres.Cluster]:
    """A PostgreSQL server for one test, which may stop it."""
    yield from started_cluster()
