"""A worker's slot: when it may take builds, and what it does when its connection changes."""

from typing import Any

import pytest
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.error import ConnectionLost

from ci_common.aio import to_deferred
from ci_master.workers.config import Worker
from ci_master.workers.slot import LEFT_S, LIST_RETRY_S
from tests.unit.workers.fakes import Bench, FakeSession


def attach(bench: Bench, session: FakeSession | None = None) -> FakeSession:
    session = session or FakeSession(clock=bench.clock)
    results: list[Any] = []
    to_deferred(bench.slot.attach(session)).addBoth(results.append)
    assert results == [None]
    return session


def attached(**settings: Any) -> tuple[Bench, FakeSession]:
    bench = Bench(**settings)
    return bench, attach(bench)


class LostBuild:
    """A build that is told, perhaps more than once, that its worker is lost."""

    losses = 0

    def lose_worker(self) -> None:
        self.losses += 1


def ask_to_leave(bench: Bench) -> None:
    results: list[Any] = []
    to_deferred(bench.slot.ask_to_leave()).addBoth(results.append)
    assert results == [None]


def failure_of(bench: Bench, session: FakeSession) -> Any:
    results: list[Any] = []
    to_deferred(bench.slot.attach(session)).addErrback(results.append)
    return results[0]


def reason(bench: Bench) -> str | None:
    found = bench.slot.why_not()
    return found.kind if found else None


def test_an_attached_worker_is_told_its_builders_and_offered() -> None:
    bench = Bench()
    assert reason(bench) == "offline"
    session = attach(bench)
    assert session.told == [[("b", "bdir")]]
    assert bench.slot.open and bench.slot.knows("b") and reason(bench) is None
    assert bench.changes[-1] is None
    assert bench.data.workers.did == [("connected", "w1", {"version": "1.0"})]


def test_the_environment_of_a_worker_is_not_stored() -> None:
    bench = Bench()
    attach(bench)
    assert "environ" not in bench.data.workers.did[0][2]


def test_a_lost_worker_loses_its_builds_and_may_come_back() -> None:
    bench = Bench()
    session = attach(bench)
    lost = []

    class Build:
        def lose_worker(self) -> None:
            lost.append(self)

    bench.slot.running.add(Build())
    session.lose()
    assert len(lost) == 1 and reason(bench) == "offline"
    assert bench.data.workers.did[-1] == ("disconnected", "w1")
    session.lose()
    attach(bench)
    assert bench.slot.open


def test_a_worker_lost_while_it_attaches_was_never_there() -> None:
    bench = Bench()
    session = FakeSession()
    session.answering = False
    results: list[Any] = []
    to_deferred(bench.slot.attach(session)).addErrback(results.append)
    session.lose()
    session.answers[0].errback(ConnectionLost())
    assert results[0].check(ConnectionLost) and bench.data.workers.did == []
    attach(bench)


def test_a_second_connection_is_refused_while_one_is_being_attached() -> None:
    bench = Bench()
    session = FakeSession()
    session.answering = False
    to_deferred(bench.slot.attach(session))
    assert failure_of(bench, FakeSession()).check(ConnectionLost)
    session.answers[0].callback(None)
    assert bench.slot.session is session


def test_builders_that_change_during_the_greeting_are_told_afterwards() -> None:
    bench = Bench()
    session = FakeSession()
    session.answering = False
    to_deferred(bench.slot.attach(session))
    bench.slot.set_builders({"b": "bdir", "c": "cdir"})
    session.answering = True
    session.answers[0].callback(None)
    assert session.told[-1] == [("b", "bdir"), ("c", "cdir")]
    assert bench.slot.knows("c")


def test_a_seat_given_back_frees_only_its_builder_unless_the_worker_was_full() -> None:
    bench = Bench(max_builds=2)
    attach(bench)
    first, second = bench.slot.take("b", []), bench.slot.take("c", [])
    assert reason(bench) == "busy" and not bench.slot.open
    bench.slot.give_back(first)
    assert bench.changes[-1] is None
    bench.slot.give_back(second)
    assert bench.changes[-1] == "c"
    count = len(bench.changes)
    bench.slot.give_back(second)
    assert len(bench.changes) == count


def test_a_worker_that_is_to_leave_leaves_when_its_last_build_has_ended() -> None:
    bench = Bench()
    session = attach(bench)
    seat = bench.slot.take("b", [])
    ask_to_leave(bench)
    assert session.did == [] and reason(bench) == "stopping"
    bench.slot.give_back(seat)
    assert session.did == ["shutdown"]


def test_a_worker_that_left_is_as_good_as_new_when_it_comes_back() -> None:
    bench = Bench()
    session = attach(bench)
    ask_to_leave(bench)
    assert session.did == ["shutdown"]
    session.lose()
    attach(bench)
    assert bench.slot.open


def test_a_worker_that_is_lost_before_it_could_leave_leaves_when_it_comes_back() -> None:
    bench = Bench()
    session = attach(bench)
    seat = bench.slot.take("b", [])
    ask_to_leave(bench)
    session.lose()
    bench.slot.give_back(seat)
    again = attach(bench)
    assert again.did == ["shutdown"] and not bench.slot.open


def test_each_quarantine_is_twice_as_long_until_a_build_succeeds() -> None:
    bench = Bench()
    attach(bench)
    lengths = []
    for _ in range(11):
        bench.slot.quarantine()
        until = bench.slot.quarantined_until
        assert until is not None and reason(bench) == "quarantined"
        lengths.append(until - bench.clock.seconds())
        bench.clock.advance(lengths[-1])
        assert bench.slot.open
    assert lengths[:3] == [10, 20, 40] and lengths[-1] == 3600
    bench.slot.reset_quarantine()
    bench.slot.quarantine()
    bench.slot.quarantine()
    assert bench.slot.quarantined_until == bench.clock.seconds() + 10


def test_a_paused_worker_says_why() -> None:
    bench = Bench()
    attach(bench)
    bench.data.workers.set_paused(bench.slot.row, True, "disk replacement")
    found = bench.slot.why_not()
    assert found is not None
    assert (found.kind, found.text) == ("paused", 'w1 is paused: "disk replacement"')


def test_who_wants_to_know_is_told_of_a_missing_worker_once() -> None:
    bench = Bench(notify_on_missing="ana@example.com", missing_timeout=60)
    bench.slot.expect()
    session = attach(bench)
    bench.clock.advance(100)
    assert bench.missing == []
    session.lose()
    bench.clock.advance(59)
    assert bench.missing == []
    bench.clock.advance(1000)
    assert bench.missing == ["w1"]


def test_a_closed_slot_takes_nobody_and_leaves_no_timer() -> None:
    bench = Bench(notify_on_missing=["ana@example.com"])
    session = attach(bench)
    bench.slot.quarantine()
    bench.slot.close()
    assert session.did == ["close"]
    assert failure_of(bench, FakeSession()).check(ConnectionLost)
    assert bench.clock.getDelayedCalls() == []


@pytest.mark.parametrize(("interval", "lost_after"), [(20, 40), (30, 60), (3600, 3630)])
def test_a_silent_worker_is_let_go_within_two_intervals(interval: int, lost_after: int) -> None:
    bench = Bench(keepalive_interval=interval)
    session = attach(bench)
    session.answering = False
    bench.clock.advance(interval)
    assert session.did == ["ping"]
    bench.clock.advance(lost_after - interval - 1)
    assert session.did == ["ping"]
    bench.clock.advance(1)
    assert session.did == ["ping", "close"] and not bench.slot.connected


def test_a_worker_that_talks_is_not_asked() -> None:
    bench = Bench(keepalive_interval=100)
    session = attach(bench)
    bench.clock.advance(60)
    session.heard_at = bench.clock.seconds()
    bench.clock.advance(99)
    assert session.did == []
    bench.clock.advance(1)
    assert session.did == ["ping"]
    bench.clock.advance(100)
    assert session.did == ["ping", "ping"]
    session.lose()
    assert bench.clock.getDelayedCalls() == []


def test_a_builder_taken_away_under_its_build_stays_in_the_list_until_that_ends() -> None:
    bench, session = attached()
    seat = bench.slot.take("b", [])
    bench.slot.set_builders({"c": "cdir"})
    assert dict(session.told[-1]) == {"b": "bdir", "c": "cdir"}
    bench.slot.give_back(seat)
    assert session.told[-1] == [("c", "cdir")]
    assert not bench.slot.knows("b")


def test_a_builder_added_again_under_its_build_is_never_taken_from_the_list() -> None:
    bench, session = attached()
    seat = bench.slot.take("b", [])
    bench.slot.set_builders({})
    bench.slot.set_builders({"b": "bdir"})
    assert session.told == [[("b", "bdir")]]
    bench.slot.give_back(seat)
    assert session.told == [[("b", "bdir")]]
    assert bench.slot.knows("b")


def test_another_directory_is_told_when_the_build_in_the_old_one_has_ended() -> None:
    bench, session = attached()
    seat = bench.slot.take("b", [])
    bench.slot.set_builders({"b": "elsewhere"})
    assert session.told == [[("b", "bdir")]]
    assert not bench.slot.knows("b")  # as it is configured now
    session.answering = False
    bench.slot.give_back(seat)
    assert session.told[-1] == [("b", "elsewhere")]
    assert not bench.slot.knows("b")  # the worker has not answered yet
    session.answers[-1].callback(None)
    assert bench.slot.knows("b")
    assert bench.changes[-1] is None


def test_a_builder_that_is_being_taken_away_gets_no_build_meanwhile() -> None:
    bench, session = attached()
    session.answering = False
    bench.slot.set_builders({})
    bench.slot.set_builders({"b": "bdir"})  # before the worker has answered
    assert not bench.slot.knows("b")
    session.answering = True
    session.answers[-1].callback(None)
    assert session.told[-1] == [("b", "bdir")]
    assert bench.slot.knows("b")


def test_a_list_that_the_worker_refused_is_told_again() -> None:
    bench, session = attached()
    session.answering = False
    bench.slot.set_builders({"c": "cdir"})
    session.answers[-1].errback(OSError("no space left on device"))
    session.answering = True
    bench.clock.advance(LIST_RETRY_S)
    assert session.told[-1] == [("c", "cdir")]
    assert len(session.told) == 3
    assert bench.slot.knows("c")
    bench.slot.close()
    assert bench.clock.getDelayedCalls() == []


def test_a_worker_that_does_not_take_its_list_is_let_go() -> None:
    bench, session = attached()
    session.answering = False
    bench.slot.set_builders({"c": "cdir"})
    session.answers[-1].errback(TimeoutError())
    assert session.did[-1] == "close"
    assert not bench.slot.connected


def test_a_seat_of_a_lost_connection_keeps_nothing_in_the_list_of_the_next() -> None:
    bench, session = attached()
    seat = bench.slot.take("b", [])
    session.lose()
    bench.slot.set_builders({"c": "cdir"})
    again = FakeSession(clock=bench.clock)
    attach(bench, again)
    assert again.told == [[("c", "cdir")]]
    bench.slot.give_back(seat)
    assert again.told == [[("c", "cdir")]]


def test_a_closed_slot_loses_also_builds_without_a_connection() -> None:
    bench, session = attached()
    session.lose()
    build = LostBuild()
    bench.slot.running.add(build)
    bench.slot.close()
    assert build.losses == 1
    bench.slot.quarantine()
    assert bench.clock.getDelayedCalls() == []


def test_an_interval_that_changes_counts_at_once() -> None:
    bench, session = attached(keepalive_interval=600)
    bench.slot.configure(Worker("w1", "pw", keepalive_interval=10))
    bench.clock.advance(10)
    assert session.did == ["ping"]
    bench.slot.configure(Worker("w1", "pw", keepalive_interval=None))
    bench.clock.advance(5000)
    assert session.did == ["ping"]


def test_a_worker_that_sends_while_it_owes_an_answer_is_kept() -> None:
    bench, session = attached(keepalive_interval=10)
    session.answering = False
    bench.clock.advance(10)
    bench.clock.advance(5)
    session.heard_at = bench.clock.seconds()
    bench.clock.advance(5)
    assert session.did == ["ping"]
    assert bench.slot.connected
    bench.clock.advance(10)  # silent again
    bench.clock.advance(10)
    assert session.did == ["ping", "ping", "close"]


def test_the_place_of_a_command_that_was_given_up_is_free_when_that_has_ended() -> None:
    bench, _ = attached()
    seat = bench.slot.take("b", [])
    over: Deferred[None] = Deferred()
    bench.slot.leave_behind("b", over)
    bench.slot.give_back(seat)
    assert bench.slot.seats == {"b": seat}
    over.callback(None)
    assert bench.slot.seats == {}


def test_what_does_not_end_is_ended_with_the_connection_once_that_harms_nobody() -> None:
    bench, session = attached()
    bench.slot.set_builders({"b": "bdir", "c": "cdir"})
    seat, other = bench.slot.take("b", []), bench.slot.take("c", [])
    over: Deferred[None] = Deferred()
    session.on_lost(lambda: over.callback(None))
    bench.slot.leave_behind("b", over)
    bench.slot.give_back(seat)
    bench.clock.advance(LEFT_S)
    assert bench.slot.connected  # the other build goes on
    bench.slot.give_back(other)
    bench.clock.advance(LEFT_S)
    assert not bench.slot.connected
    assert bench.slot.seats == {}
    bench.slot.close()
    assert bench.clock.getDelayedCalls() == []
