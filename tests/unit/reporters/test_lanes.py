"""Jobs wait in lanes, and the queue is bounded."""

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.logger import LogLevel
from twisted.trial.unittest import SynchronousTestCase

from ci_master.reporters.lanes import Lanes
from tests.unit.reporters.noting import noted


class LanesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.begun: list[str] = []
        self.ends: dict[str, Deferred[None]] = {}
        self.lanes = Lanes(self.clock, "reporter x", most=3, at_once=2)

    def put(self, lane: str, name: str) -> bool:
        async def work() -> None:
            self.begun.append(name)
            self.ends[name] = Deferred()
            try:
                await self.ends[name]
            except CancelledError:
                self.begun.append(f"{name} was cut off")

        return self.lanes.put(lane, work)

    def test_jobs_of_a_lane_follow_each_other(self) -> None:
        self.put("a", "a1")
        self.put("a", "a2")
        self.put("b", "b1")
        self.assertEqual(self.begun, ["a1", "b1"])
        self.ends["a1"].callback(None)
        self.assertEqual(self.begun, ["a1", "b1", "a2"])

    def test_no_more_than_so_many_run_side_by_side(self) -> None:
        for lane in "abc":
            self.put(lane, lane)
        self.assertEqual(self.begun, ["a", "b"])
        self.ends["b"].callback(None)
        self.assertEqual(self.begun, ["a", "b", "c"])

    def test_a_full_queue_drops_and_says_so_once(self) -> None:
        with noted(LogLevel.warn) as warnings:
            took = [self.put(lane, lane) for lane in "abcdefg"]
        self.assertEqual(took, [True] * 5 + [False] * 2)
        self.assertEqual(
            warnings, ["reporter x has 3 events waiting already: new ones are dropped"]
        )
        with noted(LogLevel.warn) as warnings:
            for lane in "abc":
                self.ends[lane].callback(None)
        self.assertEqual(warnings, ["reporter x dropped 2 events"])
        self.assertTrue(self.put("h", "h"))

    def test_a_failed_job_does_not_stop_its_lane(self) -> None:
        self.put("a", "a1")
        self.put("a", "a2")
        self.ends["a1"].errback(ValueError("broken"))
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertEqual(self.begun, ["a1", "a2"])

    def test_closing_waits_for_what_is_under_way_only(self) -> None:
        self.put("a", "a1")
        self.put("a", "a2")
        closed = self.lanes.close(5)
        self.assertNoResult(closed)
        self.ends["a1"].callback(None)
        self.successResultOf(closed)
        self.assertEqual(self.begun, ["a1"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_closing_cuts_off_what_takes_too_long(self) -> None:
        self.put("a", "a1")
        closed = self.lanes.close(5)
        self.clock.advance(5)
        self.successResultOf(closed)
        self.assertEqual(self.begun, ["a1", "a1 was cut off"])
