"""No report gets lost, and none is made of what a reporter does not owe."""

from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred, fail
from twisted.logger import LogLevel
from twisted.trial.unittest import SynchronousTestCase

from ci_common.faults import Refused
from ci_master.data.outbox import KEPT_S
from ci_master.reporters import base
from ci_master.reporters.generators.build import BuildStartEndStatusGenerator
from ci_master.reporters.sending import TryAgain, Undelivered
from ci_master.storage import schema
from tests.fakes.reporters import FakeSite, Notebook, build
from tests.unit.reporters.noting import noted


class Receiver(Notebook):
    """Notes what it takes; a test says when it is away or refuses."""

    def checkConfig(self, url: str = "", **kwargs: Any) -> Any:
        super().checkConfig(**kwargs)

    def reconfigService(self, url: str = "", **kwargs: Any) -> Any:
        return super().reconfigService(**kwargs)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.away = False
        self.refuses: set[int] = set()
        self.fails: set[int] = set()
        self.tries = 0
        self.gate: Deferred[None] | None = None

    async def sendMessage(self, reports: list[dict[str, Any]]) -> None:
        self.tries += 1
        number = reports[0]["builds"][0]["number"]
        if self.away or number in self.fails:
            raise TryAgain("it is away")
        if number in self.refuses:
            raise Undelivered("it wants none of that")
        if self.gate is not None:
            await self.gate
        self.sent.append(reports)

    @property
    def took(self) -> list[tuple[int, str]]:
        """(number of the build, new or finished)"""
        ends = {"Build started.": "new", "Build done.": "finished"}
        return [(one[0]["builds"][0]["number"], ends[one[0]["body"]]) for one in self.sent]


class OutboxTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.site = FakeSite()

    def start(self, name: str = "r", url: str = "http://a", cls: Any = Receiver) -> Any:
        """Run a reporter, as a configuration that names it does."""
        reporter = cls(url=url, name=name, generators=[BuildStartEndStatusGenerator()])
        self.site.data.outbox.keep_only([name])
        self.successResultOf(ensureDeferred(reporter.enter(self.site)))
        reporter.startService()
        self.addCleanup(self.stop, reporter)
        return reporter

    def stop(self, reporter: Any) -> None:
        stopped = reporter.stopService()
        self.site.clock.advance(base.GRACE_S)
        self.successResultOf(stopped)

    def kill(self, reporter: Any) -> None:
        """End it as ``kill -9`` does: nothing of it runs on, nothing is written."""
        for timer in list(self.site.clock.getDelayedCalls()):
            timer.cancel()
        reporter._feed._saving = reporter._feed._waiting = None
        reporter._feed.stop()
        reporter._feed._outbox.save = lambda row: None
        reporter._delivery._resting.clear()
        self.site.restart()

    def begin(self, number: int, **more: Any) -> dict[str, Any]:
        began = int(self.site.clock.seconds())
        row = self.site.master.add(build(number, None, started_at=began, **more))
        self.site.tell(dict(row), "new")
        return row

    def finish(self, row: dict[str, Any]) -> None:
        row.update(results=0, complete=True)
        self.site.tell(dict(row), "finished")

    def build(self, *numbers: int) -> None:
        for number in numbers:
            self.finish(self.begin(number))

    def pump(self, seconds: int) -> None:
        self.site.clock.pump([1.0] * seconds)

    def stored(self) -> int:
        return len(self.site.store.now(lambda tx: tx.execute(schema.outbox.select()).all()))

    # -- what happened while nobody could tell of it

    def test_what_waits_at_a_stop_is_told_after_the_next_start(self) -> None:
        first = self.start()
        first.away = True
        row = self.begin(2)
        self.pump(5)
        with noted(LogLevel.warn) as warnings:
            self.stop(first)
        self.assertIn("stops with 1 events not reported", warnings[0])
        self.site.restart()
        second = self.start()
        self.assertEqual(second.took, [(2, "new")])
        self.finish(row)
        self.assertEqual(second.took, [(2, "new"), (2, "finished")])

    def test_after_a_kill_all_that_was_not_told_is_told_in_order(self) -> None:
        first = self.start()
        self.build(2)
        self.pump(2)  # stored
        first.away = True
        self.build(3, 4)
        self.kill(first)
        second = self.start()
        expected = [(3, "new"), (3, "finished"), (4, "new"), (4, "finished")]
        self.assertEqual(sorted(second.took), sorted(expected))
        for number in (3, 4):
            ends = [end for took, end in second.took if took == number]
            self.assertEqual(ends, ["new", "finished"])

    def test_what_is_told_twice_has_the_same_id_both_times(self) -> None:
        first = self.start()
        self.build(2)
        self.kill(first)  # before its cursor was stored
        second = self.start()
        ids = [[reports[0]["id"] for reports in one.sent] for one in (first, second)]
        self.assertEqual(ids[0], ids[1])
        self.assertEqual(len(set(ids[0])), 2)

    def test_a_receiver_that_is_away_gets_everything_when_it_is_back(self) -> None:
        reporter = self.start()
        reporter.away = True
        with noted(LogLevel.warn) as warnings:
            self.build(*range(2, 40))
            self.pump(600)
        self.assertEqual(len(warnings), 1)
        self.assertIn("could not report build 2 of builder 7 (new) yet, and tries", warnings[0])
        self.assertLess(reporter.tries, 300)  # of 38 builds, in ten minutes
        reporter.away = False
        with noted(LogLevel.info) as infos:
            self.pump(1200)
        self.assertIn("reporter r works again", infos)
        self.assertEqual(len(reporter.took), 76)
        self.assertEqual(len(set(reporter.took)), 76)

    def test_what_exceeds_its_memory_is_read_from_storage_later(self) -> None:
        self.patch(base, "MOST_WAITING", 10)
        reporter = self.start()
        reporter.gate = Deferred()
        self.build(*range(2, 60))
        self.assertEqual(reporter.took, [])
        self.assertEqual(reporter._delivery.held, 10)
        gate, reporter.gate = reporter.gate, None
        gate.callback(None)
        self.assertEqual(len(reporter.took), 116)
        self.build(60)
        self.assertEqual(sorted(set(reporter.took)), sorted(reporter.took))
        self.assertEqual(reporter.took[-2:], [(60, "new"), (60, "finished")])

    def test_a_stop_in_the_midst_of_a_backlog_loses_nothing(self) -> None:
        self.patch(base, "MOST_WAITING", 10)
        first = self.start()
        first.away = True
        self.build(*range(2, 30))
        self.stop(first)
        self.build(30)
        self.site.restart()
        second = self.start()
        self.assertEqual(len(set(second.took)), 58)
        self.assertEqual(len(second.took), 58)

    def test_a_database_that_is_away_is_asked_again(self) -> None:
        first = self.start()
        first.away = True
        self.build(2)
        self.stop(first)
        self.site.restart()
        outbox, read = self.site.data.outbox, self.site.data.outbox.read_again
        outbox.read_again = lambda ids: fail(Refused(503, "the database does not answer"))
        with noted(LogLevel.error) as errors:
            second = self.start()
        self.assertIn("the outbox cannot be read", errors[0])
        outbox.read_again = read
        self.pump(20)
        self.assertEqual(second.took, [(2, "new"), (2, "finished")])

    # -- what is given up

    def test_a_refused_report_is_dropped_and_named_and_the_next_one_is_sent(self) -> None:
        reporter = self.start()
        reporter.refuses = {2}
        with noted(LogLevel.error) as errors:
            self.build(2, 3)
        self.assertEqual(
            errors[0],
            "reporter r could not report build 2 of builder 7 (new): it wants none of that",
        )
        self.assertEqual(reporter.took, [(3, "new"), (3, "finished")])
        self.pump(600)
        self.assertEqual(reporter.tries, 4)

    def test_a_report_that_always_fails_while_others_are_taken_is_given_up(self) -> None:
        reporter = self.start()
        reporter.fails = {2}
        self.begin(2)
        with noted(LogLevel.error) as errors:
            for number in range(3, 120):
                self.build(number)
                self.pump(20)
        self.assertIn("could not report build 2 of builder 7 (new): it is away (tried", errors[0])

    def test_a_receiver_that_is_away_for_days_is_given_up(self) -> None:
        reporter = self.start()
        reporter.away = True
        self.begin(2)
        with noted(LogLevel.error) as errors:
            self.site.clock.pump([60.0] * (KEPT_S // 60 + 10))
        self.assertEqual(len(errors), 1)
        self.stop(reporter)
        self.site.restart()
        self.assertEqual(self.start().took, [])

    # -- who owes what

    def test_a_new_reporter_begins_with_what_happens_from_now_on(self) -> None:
        self.start("old")
        row = self.begin(2)
        self.build(3)
        reporter = Receiver(url="x", name="new", generators=[BuildStartEndStatusGenerator()])
        self.site.data.outbox.keep_only(["old", "new"])
        self.successResultOf(ensureDeferred(reporter.enter(self.site)))
        reporter.startService()
        self.addCleanup(self.stop, reporter)
        self.assertEqual(reporter.took, [])
        self.finish(row)
        self.assertEqual(reporter.took, [(2, "finished")])

    def test_a_reporter_that_comes_back_owes_what_it_had_begun(self) -> None:
        first = self.start()
        first.away = True
        self.build(2)
        first.away = False
        row = self.begin(3)
        first.away = True
        self.stop(first)
        other = self.start("other", "http://b")  # and "r" is not configured any more
        self.site.clock.advance(60)
        self.build(4)
        self.finish(row)
        self.stop(other)
        self.site.restart()
        self.site.clock.advance(60)
        second = self.start()
        self.assertEqual(sorted(second.took), [(2, "finished"), (2, "new"), (3, "finished")])
        self.build(5)
        self.assertEqual(second.took[3:], [(5, "new"), (5, "finished")])

    def test_a_reporter_that_comes_back_after_days_begins_anew(self) -> None:
        first = self.start()
        first.away = True
        self.build(2)
        self.stop(first)
        self.site.data.outbox.keep_only([])
        self.site.clock.advance(KEPT_S + 1)
        second = self.start()
        self.assertEqual(second.took, [])
        self.build(3)
        self.assertEqual(len(second.took), 2)

    def test_a_renamed_reporter_goes_on_where_it_was(self) -> None:
        first = self.start("before")
        first.away = True
        self.build(2)
        self.stop(first)
        second = self.start("after")
        self.assertEqual(second.took, [(2, "new"), (2, "finished")])
        other = self.start("third", "http://elsewhere")
        self.assertEqual(other.took, [])

    def test_nothing_is_stored_for_reporters_that_are_gone_but_the_end_of_what_began(self) -> None:
        reporter = self.start()
        row = self.begin(2)
        self.stop(reporter)
        self.site.data.outbox.keep_only([])
        before = self.stored()
        self.site.clock.advance(10)
        self.build(3, 4)
        self.assertEqual(self.stored(), before)
        self.finish(row)
        self.assertEqual(self.stored(), before + 1)

    def test_what_everybody_has_told_is_deleted(self) -> None:
        self.start()
        for number in range(2, 600):
            self.build(number)
            self.pump(2)
        self.assertLess(self.stored(), 600)
