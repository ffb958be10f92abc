"""A database that is away, or locked by somebody else."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError
from twisted.internet.task import Clock

from ci_common.faults import Refused
from ci_master.storage import schema
from ci_master.storage.engine import database_url, open_engine
from ci_master.storage.store import Store
from tests.storage.harness import Desk


def test_who_asks_is_told_that_the_database_is_away(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/gone/state.sqlite"
    store = Store(url, str(tmp_path), Clock())
    store._reader = open_engine(database_url(url, str(tmp_path)), readers=1)
    with pytest.raises(Refused, match="the database does not answer") as refused:
        store.read_here(lambda tx: None)
    assert refused.value.status == 503


def test_who_has_given_up_does_not_wait_long_for_a_locked_file(tmp_path: Path) -> None:
    desk = Desk(f"sqlite:///{tmp_path}/state.sqlite", str(tmp_path))
    writer = desk.store._writer
    assert writer is not None
    desk.run(desk.data.workers.sync({"w1": []}))
    with closing(sqlite3.connect(tmp_path / "state.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        writer.give_up()
        began = time.monotonic()
        with pytest.raises(OperationalError, match="locked"):
            act = desk.store.transaction("a change of a worker")
            act.update(schema.workers, 1, {"pause_reason": "x"})
            desk.run(act.commit())
        assert time.monotonic() - began < 14  # before, it was 15 for each
        other.execute("ROLLBACK")
    desk.close()
