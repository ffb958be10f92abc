"""A few tries, then given up."""

from typing import Any

from twisted.internet.defer import ensureDeferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ci_master.reporters.sending import TryAgain, Undelivered, with_retries


class RetryTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.outcomes: list[Any] = []
        self.times: list[float] = []

    async def attempt(self) -> Any:
        self.times.append(self.clock.seconds())
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def send(self, *outcomes: Any) -> Any:
        self.outcomes = list(outcomes)
        return ensureDeferred(with_retries(self.clock, self.attempt, tries=3, chance=lambda: 0.5))

    def test_it_waits_longer_each_time(self) -> None:
        sent = self.send(TryAgain("busy"), TryAgain("busy"), "fine")
        self.clock.pump([0.5] * 8)
        self.assertEqual(self.successResultOf(sent), "fine")
        self.assertEqual(self.times, [0, 1, 3])

    def test_it_gives_up_after_the_last_try(self) -> None:
        sent = self.send(*[TryAgain("busy")] * 3)
        self.clock.pump([1] * 8)
        error = self.failureResultOf(sent, Undelivered)
        self.assertEqual(str(error.value), "busy (tried 3 times)")

    def test_a_refusal_is_final(self) -> None:
        self.failureResultOf(self.send(Undelivered("no")), Undelivered)
        self.assertEqual(self.times, [0])

    def test_it_can_be_cut_off_while_it_waits(self) -> None:
        sent = self.send(TryAgain("busy"))
        sent.cancel()
        self.failureResultOf(sent)
        self.assertEqual(self.clock.getDelayedCalls(), [])
