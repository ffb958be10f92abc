"""What tests of several folders share."""

import os
from collections.abc import Iterator

import pytest

from tests import postgres


def missing(reason: str) -> None:
    """Skip for want of a program; where nothing may be skipped, fail."""
    if os.environ.get("CI_REQUIRE_ALL"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[postgres.Cluster]:
    """A PostgreSQL server for this run's tests."""
    reason = postgres.why_unavailable()
    if reason is not None:
        missing(reason)
    cluster = postgres.Cluster()
    cluster.start()
    yield cluster
    cluster.stop()
