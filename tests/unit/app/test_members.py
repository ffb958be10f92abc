"""Services of users that never answer, or end the program: a reload ends all the same."""

from types import SimpleNamespace
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ci_common.aio import to_deferred
from ci_common.faults import ConfigError
from ci_common.transition import Transition
from ci_master.app.members import Members
from ci_master.config.plan import Difference
from ci_master.data.service import ANSWER_S, ClusteredBuildbotService

METHODS = ("reconfigService", "startService", "activate")


class Odd(ClusteredBuildbotService):
    """A service of which one method behaves as a function says."""

    def __init__(self, name: str, method: str = "", behaviour: Any = None) -> None:
        super().__init__(name=name)
        if method:
            setattr(self, method, lambda *args, **kwargs: behaviour())


def ends() -> None:
    raise SystemExit(3)


class MembersTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        parent = MultiService()
        parent.startService()
        site: Any = SimpleNamespace(clock=self.clock)
        self.members = Members("service", site, parent)

    def apply(
        self, transition: Transition, *, added: Any = (), removed: Any = ()
    ) -> Deferred[None]:
        difference: Any = Difference(added=list(added), removed=list(removed))
        return to_deferred(self.members.apply(difference, transition))

    def test_a_method_that_never_answers_fails_after_a_while_and_is_undone(self) -> None:
        for method in METHODS:
            change = Transition()
            result = self.apply(change, added=[Odd("never", method, Deferred)])
            self.clock.advance(ANSWER_S - 1)
            self.assertNoResult(result)
            self.clock.advance(1)
            text = str(self.failureResultOf(result, ConfigError).value)
            self.assertIn("'never'", text)
            self.assertIn(f"it did not end within {ANSWER_S:g} seconds", text)
            self.assertEqual(self.successResultOf(to_deferred(change.roll_back())), [])
            self.assertEqual(self.members.running, {})
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_method_that_would_end_the_program_fails_like_any_other(self) -> None:
        for method in METHODS:
            change = Transition()
            result = self.apply(change, added=[Odd("ends", method, ends)])
            self.assertIn("SystemExit: 3", str(self.failureResultOf(result, ConfigError).value))
            self.assertEqual(self.successResultOf(to_deferred(change.roll_back())), [])
            self.assertEqual(self.members.running, {})
        self.flushLoggedErrors()

    def test_a_service_that_never_stops_is_out_after_a_while(self) -> None:
        for method in ("stopService", "deactivate"):
            service = Odd("stays", method, Deferred)
            self.successResultOf(self.apply(Transition(), added=[service]))
            result = self.apply(Transition(), removed=[service])
            self.assertNoResult(result)
            self.clock.advance(ANSWER_S)
            self.successResultOf(result)
            self.assertEqual(self.members.running, {})
            self.assertEqual(len(self.flushLoggedErrors(TimeoutError)), 1)
