"""Try, be connected, wait, try again."""

from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ci_common import startup
from ci_worker.session.attempt import CannotConnect, LoginFailed, Rejected, WrongPassword
from ci_worker.session.connection import LoginAs, MasterConnection, wait_s
from ci_worker.session.dial import Address
from tests.unit.worker.tellers import Remote


class FakeBot:
    abandoned = 0

    def abandon(self) -> Deferred[None]:
        FakeBot.abandoned += 1
        return succeed(None)


class FakeAttempt:
    """An attempt whose login and end a test decides."""

    def __init__(self, reactor: Any, address: Address, bot: Any) -> None:
        self.perspective: Any = None
        self.answer: Deferred[None] = Deferred()
        self.ending: Deferred[str] = Deferred()

    async def login(self, name: str, password: str) -> None:
        await self.answer
        self.perspective = Remote()

    def keep_tcp_alive(self) -> bool:
        return True

    async def over(self) -> str:
        return await self.ending

    def close(self) -> None:
        if not self.answer.called:
            self.answer.errback(CannotConnect("closed"))
        elif not self.ending.called:
            self.ending.callback("closed")


class ConnectionTests(SynchronousTestCase):
    def setUp(self) -> None:
        FakeBot.abandoned = 0
        self.patch(startup._Outcome, "failed", False)
        self.clock = Clock()
        self.attempts: list[FakeAttempt] = []
        self.stops = 0

    def connection(self, **login: Any) -> MasterConnection:
        made = MasterConnection(
            self.clock,
            Address("master", 9989),
            LoginAs("w1", "secret", **{"keepalive_s": 0, **login}),
            make_bot=FakeBot,  # type: ignore[arg-type]
            stop=self.stop,
            chance=lambda: 0.5,
            make_attempt=self.attempt,  # type: ignore[arg-type]
        )
        made.startService()
        self.addCleanup(made.stopService)
        return made

    def stop(self) -> None:
        self.stops += 1

    def attempt(self, *args: Any) -> FakeAttempt:
        self.attempts.append(FakeAttempt(*args))
        return self.attempts[-1]

    def refuse(self, error: Exception) -> None:
        self.attempts[-1].answer.errback(error)

    def test_the_first_failures_are_answered_fast(self) -> None:
        self.connection()
        for tries in range(1, 6):
            self.assertEqual(len(self.attempts), tries)
            self.refuse(CannotConnect("refused"))
            self.clock.advance(0.4)
        self.assertEqual(len(self.attempts), 6)

    def test_later_waits_grow_up_to_the_longest(self) -> None:
        waits = [round(wait_s(tries, lambda: 0.5), 3) for tries in (1, 5, 6, 7, 8, 40)]
        self.assertEqual(waits, [0.3, 0.3, 0.6, 1.1, 2.1, 30.1])

    def test_a_wrong_password_is_tried_again_slowly(self) -> None:
        self.connection()
        self.refuse(WrongPassword("no"))
        self.clock.advance(44)
        self.assertEqual(len(self.attempts), 1)
        self.clock.advance(1)
        self.assertEqual(len(self.attempts), 2)

    def test_whoever_starts_it_with_a_wrong_password_is_told_and_it_ends(self) -> None:
        report = Path(self.mktemp())
        self.patch(startup._Outcome, "report_to", str(report))
        self.connection()
        self.refuse(WrongPassword("no"))
        self.assertEqual((self.stops, self.clock.getDelayedCalls()), (1, []))
        told = startup.read_report(report)
        assert told is not None
        self.assertEqual(told.state, startup.FAILED)
        self.assertIn("does not know worker 'w1' with this password", told.text)

    def test_a_wrong_password_after_the_start_is_tried_again(self) -> None:
        self.patch(startup._Outcome, "report_to", self.mktemp())
        self.connection()
        self.refuse(CannotConnect("refused"))  # this was the word that the starter waited for
        self.clock.advance(0.4)
        self.refuse(WrongPassword("no"))
        self.clock.advance(60)
        self.assertEqual((self.stops, len(self.attempts)), (0, 3))

    def test_a_rejected_worker_ends_itself(self) -> None:
        self.connection()
        self.refuse(Rejected("rejecting duplicate worker"))
        self.assertEqual(self.stops, 1)
        self.assertTrue(startup.start_has_failed())
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_failing_master_is_tried_again(self) -> None:
        self.connection()
        self.refuse(LoginFailed("database is away"))
        self.clock.advance(60)
        self.assertEqual((len(self.attempts), self.stops), (2, 0))

    def test_after_a_lost_connection_the_commands_are_given_up_and_it_comes_back(self) -> None:
        self.connection()
        self.attempts[0].answer.callback(None)
        self.attempts[0].ending.callback("cut")
        self.assertEqual(FakeBot.abandoned, 1)
        self.clock.advance(0.4)
        self.assertEqual(len(self.attempts), 2)

    def test_it_gives_up_after_as_many_tries_as_it_may(self) -> None:
        self.connection(max_retries=2)
        for _ in range(3):
            self.assertEqual(self.stops, 0)
            self.refuse(CannotConnect("refused"))
            self.clock.advance(0.4)
        self.assertEqual(self.stops, 1)

    def test_stopping_ends_what_is_under_way(self) -> None:
        connection = self.connection()
        self.successResultOf(connection.stopService())  # type: ignore[arg-type]
        self.assertEqual((self.stops, self.clock.getDelayedCalls()), (0, []))

    def test_a_shutdown_wished_for_early_is_asked_for_at_login(self) -> None:
        connection = self.connection()
        connection.ask_for_shutdown()
        self.attempts[0].answer.callback(None)
        self.assertEqual(self.attempts[0].perspective.calls, [("shutdown", None)])
