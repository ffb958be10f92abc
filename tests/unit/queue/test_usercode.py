"""Functions of the configuration that raise, never answer or answer nonsense."""

from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail
from twisted.logger import globalLogPublisher

from ci_common.results import SUCCESS
from ci_master.builds.properties import renderer
from tests.unit.queue.desk import Desk, now


@pytest.fixture
def logged() -> Any:
    """What is logged as an error."""
    found: list[Any] = []

    def observe(event: Any) -> None:
        if event["log_level"].name in ("error", "critical"):
            found.append(event)

    globalLogPublisher.addObserver(observe)
    yield found
    globalLogPublisher.removeObserver(observe)


def breaks(*args: Any) -> Any:
    return {}["branch"]


async def breaks_later(*args: Any) -> Any:
    return breaks()


def fails(*args: Any) -> Any:
    return fail(OSError("no such host"))


def exits(*args: Any) -> Any:
    raise SystemExit(3)


def a_desk(**given: Any) -> Desk:
    desk = Desk({"a": given, "b": {}}, {"v": {"max_builds": 1}, "w": {}})
    desk.attach()
    return desk


LINE = breaks.__code__.co_firstlineno + 1
RAISED = f"raised KeyError: 'branch' (test_usercode.py:{LINE})"
EXITS = f"raised SystemExit: 3 (test_usercode.py:{exits.__code__.co_firstlineno + 1})"
FAILED = f"raised OSError: no such host (test_usercode.py:{fails.__code__.co_firstlineno})"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"canStartBuild": breaks}, f'canStartBuild of "a" {RAISED}'),
        ({"canStartBuild": breaks_later}, f'canStartBuild of "a" {RAISED}'),
        ({"canStartBuild": fails}, f'canStartBuild of "a" {FAILED}'),
        ({"nextWorker": breaks}, f'nextWorker of "a" {RAISED}'),
        ({"nextWorker": lambda *_: 7}, 'nextWorker of "a" gave 7, which is none of the workers'),
        ({"nextBuild": breaks}, f'nextBuild of "a" {RAISED}'),
        (
            {"nextBuild": lambda *_: "x"},
            "nextBuild of \"a\" gave 'x', which is none of the requests",
        ),
        ({"locks": renderer(breaks)}, f'locks of "a" {RAISED}'),
        ({"locks": renderer(lambda _: 3)}, 'locks of "a" gave 3, which is no list of locks'),
        ({"locks": renderer(lambda _: ["x"])}, "locks of \"a\" gave 'x', which is no lock"),
        ({"requires": {"version": breaks}}, f'requires of "a" {RAISED}'),
        ({"canStartBuild": exits}, f'canStartBuild of "a" {EXITS}'),
        ({"nextWorker": exits}, f'nextWorker of "a" {EXITS}'),
        ({"nextBuild": exits}, f'nextBuild of "a" {EXITS}'),
        ({"locks": renderer(exits)}, f'locks of "a" {EXITS}'),
        ({"requires": {"version": exits}}, f'requires of "a" {EXITS}'),
    ],
)
def test_what_fails_is_shown_as_it_is_logged_once_and_holds_up_nobody(
    given: Any, text: str, logged: list[Any]
) -> None:
    desk = a_desk(**given)
    request, other = desk.ask("a"), desk.ask("b")
    assert [name for name, _ in desk.running()] == ["b"] and other.claimed
    for _ in range(20):
        reason = desk.why(request)
        assert reason is not None and reason[0] == "error" and reason[1].startswith(text), reason
        assert reason[1].endswith("; it is tried again within a minute")
        desk.clock.advance(30)
        desk.turn()
    assert len(logged) == 1
    [fault] = now(desk.data.requests.reasons()).faults
    assert fault.builderid == request.builderid and fault.text.startswith(text)
    desk.configure({"a": {}, "b": {}})
    desk.turn()
    assert "a" in [name for name, _ in desk.running()]
    assert now(desk.data.requests.reasons()).faults == []


def test_it_is_tried_again_after_a_while_without_a_reload() -> None:
    answers: list[Any] = [1, 2, 3, True]

    def may(*args: Any) -> bool:
        answer = answers.pop(0)
        if answer is not True:
            raise ValueError(answer)
        return True

    desk = a_desk(canStartBuild=may)
    request = desk.ask("a")
    for after_s in (2, 4, 8):
        assert not request.claimed
        desk.ask("b")  # what happens elsewhere does not make it ask again
        before = len(answers)
        desk.clock.advance(after_s - 1)
        desk.turn()
        assert len(answers) == before
        desk.clock.advance(1)
        desk.turn()
    assert request.claimed and now(desk.data.requests.reasons()).faults == []


def test_a_function_that_fails_for_some_requests_lets_the_others_go() -> None:
    desk = a_desk(canStartBuild=lambda b, w, r: bool(r.properties["branch"]))
    bad = [desk.ask("a") for _ in range(3)]
    good = desk.ask("a", properties={"branch": ("main", "test")})
    assert good.claimed and not any(one.claimed for one in bad)
    for one in bad:
        reason = desk.why(one)
        assert reason is not None and reason[0] == "error"


def test_a_function_that_fails_for_thousands_is_not_called_for_each_at_every_turn() -> None:
    calls = []

    def may(*args: Any) -> bool:
        calls.append(args)
        raise ValueError(len(calls))

    desk = a_desk(canStartBuild=may)
    requests = [desk.ask("a", turn=False) for _ in range(500)]
    for _ in range(10):
        desk.ask("b")
        next(one for one in desk.builds if one.builder.name == "b").end()
    assert len(calls) <= 10
    reason = desk.why(requests[400])
    assert reason is not None and reason[0] == "error"


def test_many_that_fail_do_not_keep_those_behind_them_from_their_turn() -> None:
    desk = a_desk(canStartBuild=lambda b, w, r: bool(r.properties["branch"]))
    for _ in range(25):
        desk.ask("a", turn=False)
    good = desk.ask("a", properties={"branch": ("main", "test")})
    for _ in range(2):
        assert not good.claimed
        desk.clock.advance(4)
        desk.turn()
    assert good.claimed


def test_a_function_that_never_answers_holds_up_nobody_and_is_shown(logged: list[Any]) -> None:
    asked: list[Deferred[bool]] = []

    def may(*args: Any) -> Deferred[bool]:
        asked.append(Deferred())
        return asked[-1]

    desk = a_desk(canStartBuild=may)
    request = desk.ask("a")
    desk.clock.advance(2)
    desk.turn()
    other = desk.ask("b")
    assert other.claimed and len(asked) == 1
    reason = desk.why(request)
    assert reason is not None and "have not answered yet" in reason[1]
    desk.clock.advance(28)
    desk.turn()
    reason = desk.why(request)
    assert reason is not None and reason[0] == "error"
    assert 'canStartBuild of "a" has not answered for 30 s (test_usercode.py:' in reason[1]
    assert len(logged) == 1
    desk.clock.advance(2)
    desk.turn()
    assert len(asked) == 2
    asked[-1].callback(True)
    desk.turn()
    assert request.claimed


def test_a_late_answer_counts() -> None:
    answer: Deferred[bool] = Deferred()
    desk = a_desk(canStartBuild=lambda *_: answer)
    request = desk.ask("a")
    desk.clock.advance(10)
    answer.callback(True)
    desk.turn()
    assert request.claimed
    desk.builds[0].end()
    assert desk.completed == [(request.id, SUCCESS)]


def test_a_reload_does_not_wait_for_an_old_answer() -> None:
    answer: Deferred[bool] = Deferred()
    desk = a_desk(canStartBuild=lambda *_: answer)
    request = desk.ask("a")
    desk.clock.advance(10)
    desk.configure({"a": {}, "b": {}})
    desk.turn()
    assert request.claimed


def test_a_reload_while_an_answer_is_awaited_loses_no_build_and_no_place(logged: list[Any]) -> None:
    desk = a_desk(canStartBuild=lambda *_: Deferred())
    for slot in desk.registry:
        slot.row.paused = True
        slot.changed()
    other, request = desk.ask("b"), desk.ask("a")
    for slot in desk.registry:
        slot.row.paused = False
        slot.changed()
    desk.turn()
    assert not request.claimed
    desk.configure({"a": {}, "b": {}})
    desk.turn()
    assert other.claimed and request.claimed and logged == []
    assert sorted(name for name, _ in desk.running()) == ["a", "b"]


def test_an_answer_that_fails_at_once_is_told_as_it_is(logged: list[Any]) -> None:
    answer: Deferred[bool] = Deferred()
    desk = a_desk(canStartBuild=lambda *_: answer)
    request = desk.ask("a")
    answer.errback(OSError("no such host"))
    desk.turn()
    reason = desk.why(request)
    assert reason is not None and "OSError: no such host" in reason[1]
    assert len(logged) == 1


def test_an_order_that_fails_at_once_holds_up_nobody(logged: list[Any]) -> None:
    answer: Deferred[Any] = Deferred()
    desk = Desk({"a": {}, "b": {}}, {"w": {}}, prioritizeBuilders=lambda *_: answer)
    desk.attach()
    one, two = desk.ask("a", turn=False), desk.ask("b", turn=False)
    desk.turn()
    answer.errback(OSError("no such host"))
    desk.turn()
    assert one.claimed and two.claimed and len(logged) == 1


def test_a_stop_does_not_wait_for_an_answer() -> None:
    answer: Deferred[bool] = Deferred()
    desk = a_desk(canStartBuild=lambda *_: answer)
    desk.ask("a")
    desk.clock.advance(10)
    stopped: list[Any] = []
    desk.queue.stopService().addBoth(stopped.append)
    desk.turn()
    assert stopped == [None] and desk.running() == []


@pytest.mark.parametrize("rule", [breaks, breaks_later, lambda *_: Deferred()])
def test_a_function_that_collapses_may_fail_without_harm(rule: Any, logged: list[Any]) -> None:
    desk = a_desk(collapseRequests=rule)
    for slot in desk.registry:
        slot.row.paused = True
        slot.changed()
    desk.ask("a")
    second = desk.ask("a")
    desk.clock.advance(30)
    desk.turn()
    third = desk.ask("a")
    assert desk.queue.board.in_line(second) and desk.queue.board.in_line(third)
    assert len(logged) == 1
    [fault] = now(desk.data.requests.reasons()).faults
    assert fault.what == "collapseRequests"
    reason = desk.why(third)
    assert reason is not None and reason[0] == "paused"


@pytest.mark.parametrize(
    "prioritize", [breaks, lambda m, b: None, lambda m, b: [1], lambda m, b: Deferred()]
)
def test_builders_go_by_their_first_requests_where_nobody_can_say(
    prioritize: Any, logged: list[Any]
) -> None:
    desk = Desk({"a": {}, "b": {}}, {"w": {"max_builds": 1}}, prioritizeBuilders=prioritize)
    desk.ask("b")
    desk.clock.advance(1)
    desk.ask("a")
    desk.attach()
    desk.clock.advance(2)
    desk.turn()
    assert desk.running() == [("b", "w")] and len(logged) == 1
    [fault] = now(desk.data.requests.reasons()).faults
    assert fault.builderid is None and fault.text.startswith("prioritizeBuilders ")
