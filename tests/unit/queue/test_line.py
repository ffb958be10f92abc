"""The order of waiting requests."""

from ci_master.data.model import Buildset, Request
from ci_master.queue.line import Line


def request(id: int, priority: int = 0, submitted_at: int = 0) -> Request:
    return Request(id, Buildset(1, "", 0), 1, priority, submitted_at)


def test_the_highest_priority_goes_first_then_the_oldest_then_the_lowest_id() -> None:
    line = Line()
    for one in (request(1, 0, 9), request(3, 0, 5), request(2, 0, 5), request(4, 7, 99)):
        line.add(one)
    assert [one.id for one in line] == [4, 2, 3, 1]
    assert [line.ahead_of(id) for id in (4, 1, 77)] == [0, 3, 0]


def test_adding_twice_moves_a_request_whose_priority_has_changed() -> None:
    line, late = Line(), request(2)
    line.add(request(1))
    line.add(late)
    line.add(late)
    assert len(line) == 2
    late.priority = 1
    line.add(late)
    assert [one.id for one in line] == [2, 1]


def test_removing_what_is_not_there_is_harmless() -> None:
    line = Line()
    line.add(request(1))
    assert line.remove(1) and not line.remove(1) and not line and 1 not in line
