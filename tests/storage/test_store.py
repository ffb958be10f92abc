"""The store: order, group commit, failures that stay alone."""

from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from ci_master.storage import schema
from ci_master.storage.store import READ_WAIT_S
from tests.storage.harness import Desk

t = schema.projects


def project(row_id: int, name: str) -> dict[str, Any]:
    return {"id": row_id, "name": name, "slug": name, "active": True}


def names(tx: Connection) -> list[str]:
    return list(tx.execute(select(t.c.name).order_by(t.c.id)).scalars())


def test_an_update_finds_the_row_that_was_asked_for_before_it(desk: Desk) -> None:
    desk.insert(t, project(1, "a"))
    desk.update(t, 1, {"name": "b"})
    desk.settle()
    desk.update(t, 1, {"name": "c"})
    desk.settle()
    assert desk.run(desk.store.read(names)) == ["c"]


def test_work_sees_what_was_asked_for_before_it(desk: Desk) -> None:
    desk.insert(t, project(1, "a"))
    assert desk.run(desk.store.write(names)) == ["a"]


def test_referred_to_rows_of_an_act_are_written_first_whatever_the_order(desk: Desk) -> None:
    act = desk.store.transaction("a builder of a project")
    act.insert(schema.builders, {"id": 1, "name": "b", "projectid": 1, "tags_json": "[]"})
    act.insert(t, project(1, "a"))
    desk.run(act.commit())
    found = desk.run(desk.store.read(lambda tx: tx.execute(select(schema.builders)).all()))
    assert [row.projectid for row in found] == [1]


def test_failing_work_fails_alone(desk: Desk) -> None:
    def fail(tx: Connection) -> None:
        tx.execute(t.insert(), project(7, "gone"))
        raise ValueError("no")

    desk.insert(t, project(1, "a"))
    failing = desk.store.write(fail)
    after = desk.store.write(lambda tx: tx.execute(t.insert(), project(2, "b")))
    with pytest.raises(ValueError, match="no"):
        desk.run(failing)
    desk.run(after)
    assert desk.run(desk.store.read(names)) == ["a", "b"]


def test_a_row_that_cannot_be_written_leaves_the_others(desk: Desk) -> None:
    desk.insert(t, project(1, "a"))
    desk.settle()
    desk.insert(t, project(2, "a"))  # names are unique
    desk.insert(t, project(3, "c"))
    desk.settle()
    assert desk.run(desk.store.read(names)) == ["a", "c"]


def test_what_follows_a_commit_follows_it_in_order(desk: Desk) -> None:
    order: list[str] = []
    act = desk.store.transaction("a project")
    act.insert(t, project(1, "a"))
    act.after_commit(lambda: order.append("first"))
    act.after_commit(lambda: order.append("second"))
    done = act.commit()
    done.addCallback(lambda _: order.append("done"))
    other = desk.store.transaction("nothing")
    other.after_commit(lambda: order.append("last"))
    other.submit()
    assert not order
    desk.settle()
    assert order == ["first", "second", "done", "last"]


def test_ids_go_on_after_those_in_storage(desk: Desk) -> None:
    first = desk.store.next_id(t)
    desk.insert(t, project(first, "a"))
    desk.settle()
    desk.crash()
    desk.open()
    assert desk.store.next_id(t) == first + 1


def test_many_writes_of_one_turn_are_one_commit(desk: Desk) -> None:
    desk.settle()
    before = desk.events.copy()
    for number in range(500):
        desk.insert(t, project(number + 1, f"p{number}"))
    desk.settle()
    count = desk.run(
        desk.store.read(lambda tx: tx.execute(select(func.count()).select_from(t)).scalar())
    )
    assert count == 500
    assert desk.events == before


def test_a_closed_store_takes_nothing(desk: Desk) -> None:
    desk.crash()
    act = desk.store.transaction("a project")
    act.insert(t, project(1, "a"))
    with pytest.raises(RuntimeError, match="closed"):
        desk.run(act.commit())
    desk.open()


def test_a_read_does_not_wait_for_ever_for_writes(desk: Desk) -> None:
    desk.insert(t, project(1, "a"))
    waiting = desk.store.committed()
    assert not waiting.called
    desk.reactor.advance(READ_WAIT_S)
    assert waiting.called
    desk.settle()
