"""How a reporter hears, and what it does with failures."""

from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.logger import LogLevel
from twisted.trial.unittest import SynchronousTestCase

from ci_common.faults import ConfigError
from ci_master.reporters.generators.build import (
    BuildStartEndStatusGenerator,
    BuildStatusGenerator,
)
from ci_master.reporters.mail import MailNotifier
from ci_master.reporters.sending import Undelivered
from tests.fakes.reporters import FakeSite, Notebook, build
from tests.unit.reporters.noting import noted


class ReporterTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.site = FakeSite()

    def started(self, reporter: Any) -> Any:
        self.successResultOf(ensureDeferred(reporter.enter(self.site)))
        reporter.startService()
        self.addCleanup(reporter.stopService)
        return reporter

    def finish(self, number: int = 2, results: int = 0) -> None:
        self.site.tell(self.site.master.add(build(number, results)), "finished")

    def test_all_generators_of_an_event_make_one_message(self) -> None:
        reporter = self.started(
            Notebook(generators=[BuildStatusGenerator(), BuildStartEndStatusGenerator()])
        )
        self.finish()
        self.assertEqual([len(reports) for reports in reporter.sent], [2])
        self.site.tell(build(), "update")
        self.assertEqual(len(reporter.sent), 1)

    def test_events_of_a_request_are_reported_in_order(self) -> None:
        reporter = self.started(Notebook(generators=[BuildStartEndStatusGenerator()]))
        row = self.site.master.add(build(results=None))
        gate = self.site.master.data.gate = Deferred()
        self.site.tell(row, "new")
        self.site.tell({**row, "results": 0}, "finished")
        self.assertEqual(reporter.sent, [])
        self.site.master.data.gate = None
        gate.callback(None)
        self.assertEqual(
            [reports[0]["body"] for reports in reporter.sent], ["Build started.", "Build done."]
        )

    def test_a_failure_names_the_reporter_and_the_build(self) -> None:
        class Broken(Notebook):
            def sendMessage(self, reports: Any) -> Any:
                super().sendMessage(reports)
                if len(self.sent) == 1:
                    raise ValueError("oops")

        reporter = self.started(Broken(generators=[BuildStatusGenerator()]))
        with noted(LogLevel.critical) as texts:
            self.finish()
        self.assertIn("notebook failed to report build 2 of builder 7", texts[0])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.finish()
        self.assertEqual(len(reporter.sent), 2)

    def test_what_was_not_delivered_is_told_without_traceback(self) -> None:
        class Away(Notebook):
            async def sendMessage(self, reports: Any) -> Any:
                raise Undelivered("it is away")

        self.started(Away(generators=[BuildStatusGenerator()]))
        with noted(LogLevel.error) as texts:
            self.finish()
        self.assertEqual(
            texts,
            ["reporter notebook could not report build 2 of builder 7 (finished): it is away"],
        )

    def test_a_reload_changes_the_generators(self) -> None:
        reporter = self.started(Notebook(generators=[BuildStatusGenerator(mode="failing")]))
        self.finish()
        self.assertEqual(reporter.sent, [])
        sibling = Notebook(generators=[BuildStatusGenerator(mode="passing")])
        self.successResultOf(ensureDeferred(reporter.take_over(sibling)))
        self.finish()
        self.assertEqual(len(reporter.sent), 1)

    def test_a_stopped_reporter_hears_nothing(self) -> None:
        reporter = self.started(Notebook(generators=[BuildStatusGenerator()]))
        self.successResultOf(reporter.stopService())
        self.finish()
        self.assertEqual(reporter.sent, [])

    def test_the_name_is_made_of_the_generators(self) -> None:
        one = MailNotifier("ci@example.org", generators=[BuildStatusGenerator(builders=["a"])])
        two = MailNotifier("ci@example.org", generators=[BuildStatusGenerator(builders=["b"])])
        self.assertNotEqual(one.name, two.name)
        self.assertTrue(one.name.startswith("MailNotifier_BuildStatusGenerator_builders_a"))
        self.assertEqual(MailNotifier("ci@example.org", name="mail").name, "mail")

    def test_mistakes_are_told(self) -> None:
        for kwargs, fault in (
            ({"generators": BuildStatusGenerator()}, "must be a list"),
            ({"generators": ["all"]}, "makes no reports"),
            ({"generators": [BuildStatusGenerator(mode="x")]}, "has mode 'x'"),
            ({"mode": "failing"}, r"BuildStatusGenerator\(mode=...\)"),
        ):
            with self.assertRaisesRegex(ConfigError, fault):
                Notebook(**kwargs)
