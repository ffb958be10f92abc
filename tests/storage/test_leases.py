"""One master per database: who holds the lease, who may take it, and who may write no more."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError

from ci_master.data.data import Data
from ci_master.data.mastership import Identity, Mastership
from ci_master.events.bus import Bus
from ci_master.storage import leases, schema
from ci_master.storage.engine import DatabaseUnusable, database_url, open_engine
from ci_master.storage.leases import (
    HEARTBEAT_S,
    LEASE_S,
    Holder,
    LeaseHeld,
    LeaseLost,
    application_name,
)
from ci_master.storage.store import Store
from tests.storage.harness import Desk

ANA = Holder("ana.example", "ana 1", 11, "100", "/srv/ana", "a" * 32)
BOB = Holder("bob.example", "bob 1", 22, "200", "/srv/bob", "b" * 32)


def lives(holder: Holder) -> bool:
    return False


def take(desk: Desk, me: Holder, is_gone: Callable[[Holder], bool] = lives) -> Any:
    now = int(desk.reactor.seconds())
    return desk.run(
        desk.store.write(
            lambda tx: leases.take(tx, "master", "database", me, now=now, is_gone=is_gone)
        )
    )


def let_pass(desk: Desk, seconds: int) -> None:
    """Make the lease older: the clock of PostgreSQL cannot be turned."""
    t = schema.leases
    older = update(t).values(renewed_at=t.c.renewed_at - seconds)
    desk.run(desk.store.write(lambda tx: tx.execute(older)))


def test_a_lease_has_one_holder(desk: Desk) -> None:
    first = take(desk, ANA)
    with pytest.raises(LeaseHeld) as held:
        take(desk, BOB)
    assert held.value.lease.holder == ANA
    assert held.value.lease.epoch == first.epoch == 1
    assert LEASE_S - 5 < held.value.lease.rest_s <= LEASE_S


def test_it_is_taken_over_when_it_expires_with_a_higher_epoch(desk: Desk) -> None:
    first = take(desk, ANA)
    let_pass(desk, LEASE_S - 10)
    with pytest.raises(LeaseHeld):
        take(desk, BOB)
    let_pass(desk, 11)
    second = take(desk, BOB)
    assert (second.holder, second.epoch) == (BOB, 2)
    for late in (
        lambda tx: leases.renew(tx, first, now=int(desk.reactor.seconds())),
        lambda tx: leases.check(tx, first),
    ):
        with pytest.raises(LeaseLost, match=r"process 22 on bob\.example .* /srv/bob"):
            desk.run(desk.store.read(late))
    desk.run(desk.store.read(lambda tx: leases.check(tx, second)))


def test_it_is_taken_over_at_once_from_whoever_is_gone_or_gave_it_back(desk: Desk) -> None:
    first = take(desk, ANA)
    second = take(desk, BOB, is_gone=lambda other: other == ANA)
    assert second.epoch == 2
    desk.run(desk.store.write(lambda tx: leases.release(tx, first)))  # lost: it changes nothing
    with pytest.raises(LeaseHeld):
        take(desk, ANA)
    desk.run(desk.store.write(lambda tx: leases.release(tx, second)))
    assert (
        desk.run(desk.store.read(lambda tx: leases.find(tx, "master", "database", now=0))) is None
    )
    assert take(desk, ANA).epoch == 3


def test_renewing_keeps_it(desk: Desk) -> None:
    lease = take(desk, ANA)
    let_pass(desk, LEASE_S + 1)
    now = int(desk.reactor.seconds())
    desk.run(desk.store.write(lambda tx: leases.renew(tx, lease, now=now)))
    with pytest.raises(LeaseHeld):
        take(desk, BOB)


class Another:
    """A master of the same database, in another process as it were."""

    def __init__(self, desk: Desk, me: Holder) -> None:
        self.desk = desk
        self.lost: list[str] = []
        self.store = Store(desk.url, desk.basedir, desk.reactor, token=me.token)
        desk.run(self.store.open())
        self.data = Data(self.store, Bus(), desk.reactor)
        self.mastership = Mastership(
            self.store, desk.reactor, Identity(me, lives), self.lost.append
        )

    def open(self) -> None:
        self.desk.run(self.data.open(f"{self.mastership._identity.me.host}:/m", self.mastership))

    def end(self) -> None:
        with suppress(LeaseLost):
            self.desk.run(self.mastership.end())
        self.desk.run(self.store.close())


@pytest.fixture
def masters(desk: Desk) -> Any:
    made = [Another(desk, ANA), Another(desk, BOB)]
    yield made
    for one in made:
        one.end()


def test_a_second_master_is_refused_and_changes_nothing(desk: Desk, masters: Any) -> None:
    first, second = masters
    first.open()
    before = first_row(desk)
    with pytest.raises(DatabaseUnusable) as refused:
        second.open()
    said = str(refused.value)
    for part in ("process 11 on ana.example", "/srv/ana", "since 20", "can start in"):
        assert part in said
    assert first_row(desk) == before
    names = desk.run(desk.store.read(lambda tx: tx.execute(select(schema.masters.c.name)).all()))
    assert ("bob.example:/m",) not in names


def test_a_closed_master_leaves_the_database_to_the_next(desk: Desk, masters: Any) -> None:
    first, second = masters
    first.open()
    desk.run(first.data.close())
    second.open()
    assert not first.lost


def seen_at(master: Any, at: int) -> Any:
    """Have a master write when it was seen last."""
    act = master.store.transaction("a heartbeat")
    act.update(schema.masters, master.data.master_id, {"last_active": at})
    return act.commit()


def test_a_master_that_slept_too_long_writes_nothing_and_is_told(desk: Desk, masters: Any) -> None:
    first, second = masters
    first.open()
    first.mastership._ticker.stop()  # it sleeps
    let_pass(desk, LEASE_S + 1)
    second.open()
    with pytest.raises(LeaseLost):
        desk.run(seen_at(first, 4711))
    with pytest.raises(LeaseLost):
        desk.run(first.store.write(lambda tx: tx.execute(update(schema.masters).values(active=0))))
    found = desk.run(desk.store.read(lambda tx: tx.execute(select(schema.masters)).all()))
    assert 4711 not in [row.last_active for row in found]
    first.mastership._renew()  # it wakes
    desk.reactor.advance(0)
    while not first.lost:
        desk.reactor._from_threads.get(timeout=20)()
    assert "process 22 on bob.example has taken it" in first.lost[0]
    desk.run(seen_at(second, 4712))


def test_a_master_asleep_in_a_transaction_does_not_keep_its_locks(desk: Desk, masters: Any) -> None:
    first, second = masters
    first.open()
    if desk.url.startswith("sqlite"):
        return  # there a transaction under way keeps everybody else waiting until it ends
    let_pass(desk, LEASE_S + 1)
    engine = open_engine(
        database_url(desk.url, desk.basedir), application_name=application_name(ANA.token)
    )
    sleeper = engine.connect()
    sleeper.execute(text("SELECT epoch FROM leases FOR SHARE"))
    sleeper.execute(text("UPDATE masters SET last_active = 4711"))
    second.open()
    with pytest.raises(DBAPIError):
        sleeper.execute(text("SELECT 1"))
    sleeper.invalidate()
    engine.dispose()


def test_a_master_renews_by_itself(desk: Desk, masters: Any) -> None:
    first, second = masters
    first.open()
    let_pass(desk, LEASE_S + 1)
    desk.reactor.advance(HEARTBEAT_S)
    desk.run(first.store.committed())
    with pytest.raises(DatabaseUnusable):
        second.open()


def first_row(desk: Desk) -> Any:
    found = desk.run(desk.store.read(lambda tx: tx.execute(select(schema.leases)).all()))
    return [(row.epoch, row.token, row.holder_json, row.since) for row in found]


def test_the_lease_outlives_a_holder_of_the_same_name_elsewhere(desk: Desk) -> None:
    take(desk, ANA)
    with pytest.raises(LeaseHeld):
        take(desk, replace(ANA, token="c" * 32))
