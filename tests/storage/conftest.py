"""Every storage test runs on every supported database."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from ci_master.storage import engine as engines
from ci_master.storage.schema import metadata
from tests.storage.harness import Desk


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/state.sqlite"
    url: str = request.getfixturevalue("postgres_cluster").new_database()
    return url


@pytest.fixture
def database(database_url: str, tmp_path: Path) -> Iterator[Engine]:
    """An engine for a database that has our tables."""
    engine = engines.open_engine(engines.database_url(database_url, str(tmp_path)))
    metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def desk(database_url: str, tmp_path: Path) -> Iterator[Desk]:
    """An open store and its data on an empty database."""
    desk = Desk(database_url, str(tmp_path))
    yield desk
    desk.close()
