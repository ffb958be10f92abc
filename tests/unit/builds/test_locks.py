"""Locks: what a configuration says, who may have one, and who is next."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred, ensureDeferred

from ci_common.faults import ConfigError
from ci_master.builds.locks import (
    LockAccess,
    LockTable,
    MasterLock,
    WorkerLock,
    acquire_all,
    all_available,
    check_locks,
    claim_all,
    release_all,
    why_not_all,
)
from ci_master.data.recorded import same

# held by others, waiting ahead, wanted, limit -> available?
COUNT = "counting"
ALONE = "exclusive"
AVAILABLE = [
    ([], [], (COUNT, 1), 1, True),
    ([(COUNT, 1)], [], (COUNT, 1), 1, False),
    ([(COUNT, 1)], [], (COUNT, 1), 2, True),
    ([(COUNT, 2)], [], (COUNT, 1), 2, False),
    ([(COUNT, 2)], [], (COUNT, 2), 4, True),
    ([(COUNT, 2)], [], (COUNT, 3), 4, False),
    ([], [], (COUNT, 2), 1, False),
    ([], [], (ALONE, 1), 3, True),
    ([(COUNT, 1)], [], (ALONE, 1), 3, False),
    ([(ALONE, 1)], [], (ALONE, 1), 3, False),
    ([(ALONE, 1)], [], (COUNT, 1), 3, False),
    ([(COUNT, 1)], [(ALONE, 1)], (COUNT, 1), 3, False),
    ([(COUNT, 3)], [(COUNT, 1)], (ALONE, 1), 3, False),
    ([(COUNT, 2)], [(COUNT, 2)], (COUNT, 1), 3, False),
    ([(COUNT, 2)], [(COUNT, 3)], (COUNT, 1), 6, True),
    ([(ALONE, 1)], [(ALONE, 1)], (COUNT, 0), 1, True),
]


@pytest.mark.parametrize(("held", "waiting", "wanted", "limit", "available"), AVAILABLE)
def test_a_lock_is_available_if_it_overtakes_nobody(
    held: list[tuple[str, int]],
    waiting: list[tuple[str, int]],
    wanted: tuple[str, int],
    limit: int,
    available: bool,
) -> None:
    lockid = MasterLock("l", limit)
    real = LockTable().real(lockid)
    for index, (mode, count) in enumerate(held):
        real.claim(f"holder {index}", lockid.access(mode, count))
    for index, (mode, count) in enumerate(waiting):
        real.waitUntilMaybeAvailable(f"waiter {index}", lockid.access(mode, count))
    access = lockid.access(*wanted)
    assert real.isAvailable("me", access) is available
    assert (real.why_not("me", access) is None) is available


class Users:
    """People that want locks of one table, and a diary of what they got."""

    def __init__(self) -> None:
        self.table = LockTable()
        self.diary: list[str] = []
        self.waits: dict[str, Deferred[None]] = {}
        self.claims: dict[str, list[Any]] = {}

    def want(self, who: str, *accesses: LockAccess, worker: str | None = None) -> None:
        self.claims[who] = self.table.claims(accesses, worker)

        async def get() -> None:
            await acquire_all(self.claims[who], who, self.table)
            self.diary.append(who)

        self.waits[who] = ensureDeferred(get())

    def leave(self, who: str) -> None:
        release_all(self.claims[who], who)

    def give_up(self, who: str) -> None:
        self.waits[who].addErrback(lambda failure: failure.trap(CancelledError))
        self.waits[who].cancel()


A, B = MasterLock("a"), MasterLock("b")
WIDE = MasterLock("wide", 2)


def test_first_come_first_served() -> None:
    users = Users()
    for who in ("p", "q", "r"):
        users.want(who, A.access(COUNT))
    assert users.diary == ["p"]
    users.leave("p")
    assert users.diary == ["p", "q"]
    users.leave("q")
    assert users.diary == ["p", "q", "r"]


def test_counting_ones_do_not_starve_an_exclusive_one() -> None:
    users = Users()
    users.want("p", WIDE.access(COUNT))
    users.want("alone", WIDE.access(ALONE))
    users.want("q", WIDE.access(COUNT))
    assert users.diary == ["p"]
    users.leave("p")
    assert users.diary == ["p", "alone"]
    users.leave("alone")
    assert users.diary == ["p", "alone", "q"]


def test_those_who_want_the_same_locks_crosswise_are_all_served() -> None:
    users = Users()
    users.want("p", A.access(COUNT), B.access(COUNT))
    users.want("q", B.access(COUNT), A.access(COUNT))
    users.want("r", A.access(COUNT), B.access(COUNT))
    users.leave("p")
    assert users.diary == ["p", "q"]
    users.leave("q")
    assert users.diary == ["p", "q", "r"]


def test_several_are_woken_if_there_is_room_for_them() -> None:
    users = Users()
    users.want("alone", WIDE.access(ALONE))
    users.want("p", WIDE.access(COUNT))
    users.want("q", WIDE.access(COUNT))
    users.want("r", WIDE.access(COUNT))
    users.leave("alone")
    assert users.diary == ["alone", "p", "q"]


def test_all_locks_are_claimed_together() -> None:
    users = Users()
    users.want("p", A.access(COUNT))
    users.want("q", A.access(COUNT), B.access(COUNT))
    users.want("r", B.access(COUNT))
    assert users.diary == ["p", "r"]  # q waits for a; it does not keep b from r meanwhile
    users.leave("p")
    assert users.diary == ["p", "r"]
    users.leave("r")
    assert users.diary == ["p", "r", "q"]


def test_two_that_want_the_same_locks_crosswise_both_get_them() -> None:
    users = Users()
    users.want("p", A.access(COUNT), B.access(COUNT))
    users.want("q", A.access(ALONE), B.access(ALONE))
    users.want("r", B.access(ALONE), A.access(ALONE))
    users.leave("p")
    assert users.diary == ["p", "q"]
    users.leave("q")
    assert users.diary == ["p", "q", "r"]


def test_who_gives_up_waiting_lets_the_next_one_in() -> None:
    users = Users()
    users.want("p", WIDE.access(COUNT))
    users.want("alone", WIDE.access(ALONE))
    users.want("q", WIDE.access(COUNT))
    users.give_up("alone")
    assert users.diary == ["p", "q"]
    assert users.table.real(WIDE).waiting == []


def test_wanting_a_lock_twice_counts_twice() -> None:
    users = Users()
    users.want("p", WIDE.access(COUNT), WIDE.access(COUNT))
    assert users.diary == ["p"]
    users.want("q", A.access(COUNT), A.access(COUNT))
    failures: list[Any] = []
    users.waits["q"].addErrback(failures.append)
    assert failures[0].check(RuntimeError)
    assert users.table.real(A).idle


def test_claim_all_takes_all_or_nothing() -> None:
    table = LockTable()
    table.real(B).claim("x", B.access(COUNT))
    claims = table.claims([A, B.access(COUNT)])
    assert not all_available(claims, "me")
    assert not claim_all(claims, "me")
    assert table.real(A).idle
    assert why_not_all(claims, "me") == "lock 'b' is held by x"
    release_all(table.claims([B]), "x")
    assert claim_all(claims, "me")
    assert why_not_all(claims, "you") == "lock 'a' is held by me"


def test_a_worker_lock_is_one_for_each_worker() -> None:
    lock = WorkerLock("cpu", 1, {"big": 2, "off": 0})
    table = LockTable()
    access = lock.access(COUNT)
    for worker in ("w1", "w2", "big"):
        table.real(access, worker).claim(f"build on {worker}", access)
    assert not table.real(lock, "w1").isAvailable("me", access)
    assert table.real(lock, "big").isAvailable("me", access)
    assert table.real(lock, "off").why_not("me", access) == (
        "lock 'cpu' on worker off has only 0 of the 1 units wanted"
    )
    assert table.holders(access, "w2") == ["build on w2"]


def test_master_locks_are_the_same_on_all_workers_and_by_name() -> None:
    table = LockTable()
    assert table.real(A, "w1") is table.real(MasterLock("a").access(ALONE), "w2")


def test_a_new_limit_keeps_holders_and_wakes_who_fits_now() -> None:
    users = Users()
    users.want("p", A.access(COUNT))
    users.want("q", A.access(COUNT))
    users.table.reconfigure("a", 2)
    assert users.diary == ["p", "q"]
    users.table.reconfigure("a", 1)
    assert users.table.real(A).holders == ["p", "q"]
    users.want("r", A.access(COUNT))
    users.leave("p")
    assert users.diary == ["p", "q"]


def test_who_waits_for_more_than_a_lowered_limit_gets_the_lock_alone() -> None:
    lockid, table = MasterLock("l", 3), LockTable()
    one, three = lockid.access("counting"), lockid.access("counting", 3)
    real = table.real(lockid)
    real.claim("holder", one)
    big = ensureDeferred(acquire_all([(real, three)], "big", table))
    small = ensureDeferred(acquire_all([(real, one)], "small", table))
    table.reconfigure("l", 2)
    assert not big.called and not small.called
    real.release("holder", one)
    assert big.called and real.holders == ["big"] and not small.called
    real.release("big", three)
    assert small.called and real.holders == ["small"]


def test_who_waits_where_nothing_is_left_is_told_and_others_may_go_on() -> None:
    lockid, table = WorkerLock("l", 1), LockTable()
    real = table.real(lockid, "w")
    real.claim("holder", lockid.access("counting"))
    failures: list[Any] = []
    waits = ensureDeferred(acquire_all([(real, lockid.access("counting"))], "waiter", table))
    waits.addErrback(failures.append)
    table.configure([WorkerLock("l", 1, maxCountForWorker={"w": 0})])
    assert "waiter waits in vain: lock 'l' on worker w has only 0" in str(failures[0].value)
    assert real.waiting == []
    real.release("holder", lockid.access("counting"))
    with pytest.raises(RuntimeError, match="waits in vain"):
        ensureDeferred(
            acquire_all([(real, lockid.access("counting"))], "late", table)
        ).result.raiseException()


def test_a_new_configuration_changes_limits_and_forgets_idle_locks() -> None:
    table = LockTable()
    cpu, access = WorkerLock("cpu"), WorkerLock("cpu").access(COUNT)
    busy, idle = table.real(cpu, "w1"), table.real(A)
    busy.claim("p", access)
    table.configure([WorkerLock("cpu", 3, {"w1": 5})])
    assert table.real(cpu, "w1") is busy
    assert busy.maxCount == 5
    assert table.real(A) is not idle


def test_a_listener_hears_of_released_locks_and_cannot_harm() -> None:
    table = LockTable()
    heard: list[str] = []
    stop = table.on_change(lambda lock: heard.append(lock.name))
    real, access = table.real(A), A.access(COUNT)
    real.claim("p", access)
    assert heard == []
    real.release("p", access)
    assert heard == ["a"]
    stop()
    real.claim("p", access)
    real.release("p", access)
    assert heard == ["a"]


def test_misuse_is_an_error() -> None:
    real, access = LockTable().real(A), A.access(COUNT)
    real.claim("p", access)
    assert real.is_owner("p") and not real.is_owner("q")
    with pytest.raises(RuntimeError):
        real.claim("q", access)
    with pytest.raises(RuntimeError):
        real.release("q", access)
    with pytest.raises(TypeError):
        LockTable().real("a")


def test_many_waiters_do_not_deepen_the_stack() -> None:
    users = Users()
    users.want("first", A.access(COUNT))

    async def take_and_release(who: str) -> None:
        claims = users.table.claims([A])
        await acquire_all(claims, who, users.table)
        users.diary.append(who)
        release_all(claims, who)

    for index in range(400):
        ensureDeferred(take_and_release(f"w{index}"))
    users.leave("first")
    assert len(users.diary) == 401


steps = st.lists(
    st.tuples(
        st.sampled_from(["want", "leave", "give up"]),
        st.integers(0, 5),
        st.lists(
            st.tuples(
                st.sampled_from([A, B, WIDE]), st.sampled_from([COUNT, ALONE]), st.integers(0, 2)
            ),
            min_size=1,
            max_size=3,
            unique_by=lambda item: item[0].name,
        ),
    ),
    max_size=40,
)


@settings(max_examples=200, database=None, deadline=None)
@given(steps)
def test_locks_are_never_shared_wrongly_and_everybody_is_served_at_last(plan: Any) -> None:
    users = Users()
    holding: set[str] = set()
    waiting: set[str] = set()

    def note() -> None:
        served = waiting & set(users.diary)
        waiting.difference_update(served)
        holding.update(served)
        for lock in (A, B, WIDE):
            real = users.table.real(lock)
            modes = [access for _, access in real._owners]
            assert sum(access.count for access in modes) <= lock.maxCount
            assert len(modes) <= 1 or all(access.mode == COUNT for access in modes)

    for serial, (action, index, wanted) in enumerate(plan):
        if action == "want":
            accesses = [
                lock.access(mode, 1 if mode == ALONE else min(count, lock.maxCount))
                for lock, mode, count in wanted
            ]
            who = f"user {serial}"
            waiting.add(who)
            users.want(who, *accesses)
        elif action == "leave" and holding:
            who = sorted(holding)[index % len(holding)]
            holding.remove(who)
            users.leave(who)
        elif action == "give up" and waiting:
            who = sorted(waiting)[index % len(waiting)]
            waiting.remove(who)
            users.give_up(who)
        note()
    while holding:
        users.leave(holding.pop())
        note()
    assert not waiting


def test_the_same_definition_is_the_same_lock_and_another_one_is_a_fault() -> None:
    assert MasterLock("x") == MasterLock("x") != MasterLock("x", 2)
    assert WorkerLock("x", 1, {"a": 2}) != WorkerLock("x")
    assert same(MasterLock("x").access(COUNT), MasterLock("x").access(COUNT))
    assert not same(WorkerLock("x", 1, {"a": 2}).access(COUNT), WorkerLock("x").access(COUNT))
    assert check_locks([MasterLock("x"), MasterLock("x").access(COUNT), B]) == []
    faults = check_locks([MasterLock("x"), MasterLock("x", 2), WorkerLock("x"), B])
    assert [fault.what for fault in faults] == ["Two locks share the same name, 'x'"]


# as a configuration sees them: without types
AnyMaster: Any = MasterLock
AnyWorker: Any = WorkerLock


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: A.access("bogus"), "'counting' and 'exclusive'"),
        (lambda: A.access(ALONE, 2), "no count"),
        (lambda: A.access(COUNT, -1), "from 0 up"),
        (lambda: AnyMaster("a").access(COUNT, 1.5), "from 0 up"),
        (lambda: AnyMaster("x", 0), "from 1 up"),
        (lambda: AnyMaster("x", "y"), "'y'"),
        (lambda: AnyMaster(3), "must be a string"),
        (lambda: AnyWorker("x", 1, {"a": "b"}), "maxCountForWorker of 'a'"),
        (lambda: AnyWorker("x", 1, 2), "must be a dict"),
    ],
)
def test_a_wrong_lock_is_a_fault(make: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make()
