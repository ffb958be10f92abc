"""The pass over everything: one at a time, and merged."""

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ci_master.queue.sweep import Sweep


class SweepTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.passes: list[Deferred[None]] = []
        self.service = Sweep(self.clock, self.run_pass, interval_s=30)
        self.service.startService()

    def run_pass(self) -> Deferred[None]:
        self.passes.append(Deferred())
        return self.passes[-1]

    def test_wakes_during_a_pass_are_merged_into_one_more(self) -> None:
        for _ in range(3):
            self.service.wake()
        self.assertEqual(len(self.passes), 1)
        self.passes[0].callback(None)
        self.assertEqual(len(self.passes), 2)

    def test_a_failed_pass_is_logged_and_the_next_tick_tries_again(self) -> None:
        self.passes[0].errback(ValueError("store away"))
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.clock.advance(30)
        self.assertEqual(len(self.passes), 2)

    def test_stopping_waits_for_the_pass_under_way(self) -> None:
        stopped = self.service.stopService()
        self.assertNoResult(stopped)
        self.passes[0].callback(None)
        self.successResultOf(stopped)
        self.assertEqual(self.clock.getDelayedCalls(), [])
