"""Reading from a database that is away."""

from pathlib import Path

import pytest
from twisted.internet.task import Clock

from ci_common.faults import Refused
from ci_master.storage.engine import database_url, open_engine
from ci_master.storage.store import Store


def test_who_asks_is_told_that_the_database_is_away(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/gone/state.sqlite"
    store = Store(url, str(tmp_path), Clock())
    store._reader = open_engine(database_url(url, str(tmp_path)), readers=1)
    with pytest.raises(Refused, match="the database does not answer") as refused:
        store.read_here(lambda tx: None)
    assert refused.value.status == 503
