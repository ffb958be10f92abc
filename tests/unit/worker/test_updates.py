"""Updates on their way to the master."""

from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.spread.pb import PBConnectionLost
from twisted.trial.unittest import SynchronousTestCase

from ci_worker.session.updates import CALL_BYTES, LINGER_S, MOST_BYTES, MOST_CALLS, Updates
from tests.unit.worker.tellers import Remote


class UpdatesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.remote = Remote(answers_at_once=False)
        self.events: list[str] = []
        self.updates = Updates(
            self.remote,
            self.clock,
            on_full=lambda: self.events.append("full"),
            on_room=lambda: self.events.append("room"),
        )

    def test_what_is_ready_at_the_same_moment_travels_together(self) -> None:
        self.updates.put("header", "a\n")
        self.updates.put("rc", 0)
        self.clock.advance(LINGER_S)
        self.assertEqual(self.remote.updates(), [[("header", "a\n"), ("rc", 0)]])

    def test_neighbours_of_one_stream_become_one_text(self) -> None:
        for key, value in (("stdout", "a\n"), ("stdout", "b\n"), ("stderr", "c\n")):
            self.updates.put(key, value)
        for name, text in (("x", "1\n"), ("x", "2\n"), ("y", "3\n")):
            self.updates.put("log", (name, text))
        self.updates.flush()
        self.assertEqual(
            self.remote.updates(),
            [
                [
                    ("stdout", "a\nb\n"),
                    ("stderr", "c\n"),
                    ("log", ("x", "1\n2\n")),
                    ("log", ("y", "3\n")),
                ]
            ],
        )

    def test_much_text_does_not_linger(self) -> None:
        self.updates.put("stdout", "x", size=CALL_BYTES)
        self.assertEqual(len(self.remote.calls), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_the_producer_pauses_at_so_many_bytes_and_goes_on_after_an_answer(self) -> None:
        self.updates.put("stdout", "x", size=MOST_BYTES)
        self.assertEqual((self.events, self.updates.is_full), (["full"], True))
        self.remote.answers[0].callback(0)
        self.assertEqual((self.events, self.updates.is_full), (["full", "room"], False))

    def test_the_producer_pauses_at_so_many_calls(self) -> None:
        for number in range(MOST_CALLS):
            self.assertEqual(self.events, [])
            self.updates.put("rc", number)
            self.updates.flush()
        self.assertEqual(self.events, ["full"])

    def test_the_completion_follows_at_once_with_what_comes_last(self) -> None:
        self.updates.put_last("stderr", "end\n")
        self.updates.put("rc", 1)
        done = self.updates.complete(None)
        self.assertEqual(self.remote.updates(), [[("rc", 1), ("stderr", "end\n")]])
        self.assertEqual(self.remote.calls[-1], ("complete", None))
        self.assertNoResult(done)
        self.remote.answers[-1].callback(None)
        self.successResultOf(done)

    def test_a_program_that_ends_while_its_header_lingers_costs_one_update(self) -> None:
        self._run_a_trivial_program(seconds=LINGER_S * 0.9)
        keys = [[key for key, _ in call] for call in self.remote.updates()]
        self.assertEqual(keys, [["header", "rc", "header", "elapsed"]])

    def test_the_header_of_a_program_that_takes_longer_goes_ahead(self) -> None:
        self._run_a_trivial_program(seconds=LINGER_S)
        keys = [[key for key, _ in call] for call in self.remote.updates()]
        self.assertEqual(keys, [["header"], ["rc", "header", "elapsed"]])

    def _run_a_trivial_program(self, *, seconds: float) -> None:
        self.updates.put("header", "true\n")
        self.clock.advance(seconds)
        for key, value in (("rc", 0), ("header", "elapsedTime=0\n"), ("elapsed", 0.0)):
            self.updates.put(key, value)
        self.updates.complete(None)

    def test_an_error_of_the_master_is_logged_and_does_not_stop_us(self) -> None:
        self.updates.put("rc", 1)
        self.updates.flush()
        self.remote.answers[0].errback(ValueError("full"))
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_a_lost_connection_is_not_an_error_of_the_command(self) -> None:
        self.updates.put("rc", 1)
        self.updates.flush()
        self.remote.answers[0].errback(PBConnectionLost(Failure(ConnectionLost())))
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_a_muted_command_sends_nothing_more(self) -> None:
        self.updates.put("stdout", "x")
        self.updates.mute()
        self.updates.put("stdout", "y")
        self.successResultOf(self.updates.complete(None))
        self.assertEqual((self.remote.calls, self.clock.getDelayedCalls()), ([], []))
