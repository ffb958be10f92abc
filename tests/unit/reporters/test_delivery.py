"""Events of a group keep their order, whatever fails, and what is held is bounded."""

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ci_master.reporters.delivery import Delivery, Item


class DeliveryTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.begun: list[str] = []
        self.done: list[str] = []
        self.ends: dict[str, Deferred[float | None]] = {}
        self.delivery = Delivery(
            self.clock,
            self.attempt,
            lambda item: self.done.append(item.key[0]),
            most=4,
            at_once=2,
        )

    async def attempt(self, item: Item) -> float | None:
        name = item.key[0]
        self.begun.append(name)
        self.ends[name] = Deferred()
        try:
            return await self.ends[name]
        except CancelledError:
            self.begun.append(f"{name} was cut off")
            raise

    def put(self, name: str) -> bool:
        return self.delivery.put(Item(None, (name,), {}, 0, name[0]))

    def end(self, name: str, wait_s: Any = None) -> None:
        self.ends[name].callback(wait_s)

    def test_events_of_a_group_follow_each_other(self) -> None:
        for name in ("a1", "a2", "b1"):
            self.put(name)
        self.assertEqual(self.begun, ["a1", "b1"])
        self.end("a1")
        self.assertEqual((self.begun, self.done), (["a1", "b1", "a2"], ["a1"]))

    def test_what_is_tried_again_keeps_its_place_and_lets_others_go_first(self) -> None:
        for name in ("a1", "a2", "b1", "c1"):
            self.put(name)
        self.end("a1", 5.0)
        self.assertEqual(self.begun, ["a1", "b1", "c1"])
        self.end("b1")
        self.end("c1")
        self.clock.advance(4)
        self.assertEqual(len(self.begun), 3)
        self.clock.advance(1)
        self.end("a1")
        self.assertEqual(self.begun, ["a1", "b1", "c1", "a1", "a2"])
        self.assertEqual(self.done, ["b1", "c1", "a1"])

    def test_it_holds_no_more_than_so_many(self) -> None:
        took = [self.put(name) for name in ("a", "b", "c", "d", "e")]
        self.assertEqual(took, [True] * 4 + [False])
        self.end("b")
        self.assertEqual(self.delivery.room, 1)
        self.assertTrue(self.put("e"))

    def test_closing_waits_for_what_is_under_way_only(self) -> None:
        self.put("a1")
        self.put("a2")
        closed = self.delivery.close(5)
        self.assertNoResult(closed)
        self.assertFalse(self.put("b1"))
        self.end("a1")
        self.successResultOf(closed)
        self.assertEqual((self.begun, self.done, self.delivery.held), (["a1"], ["a1"], 1))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_closing_cuts_off_what_takes_too_long(self) -> None:
        self.put("a1")
        closed = self.delivery.close(5)
        self.clock.advance(5)
        self.successResultOf(closed)
        self.assertEqual((self.begun, self.done), (["a1", "a1 was cut off"], []))

    def test_closing_ends_all_waits(self) -> None:
        self.put("a1")
        self.end("a1", 100.0)
        self.successResultOf(self.delivery.close(5))
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.delivery.held, 1)
