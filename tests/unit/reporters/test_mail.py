"""E-mails: their parts, and who gets them."""

from email.message import EmailMessage
from typing import Any

from twisted.internet.defer import ensureDeferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from ci_common.faults import ConfigError
from ci_master.reporters.generators.build import BuildStatusGenerator
from ci_master.reporters.mail import Domain, MailNotifier
from tests.fakes.reporters import FakeSite, build


class Postbox(MailNotifier):
    """Keeps what would be sent."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.posted: list[tuple[EmailMessage, list[str]]] = []

    def sendMail(self, message: EmailMessage, recipients: list[str]) -> Any:
        self.posted.append((message, recipients))
        return succeed(None)


class MailTests(SynchronousTestCase):
    def start(self, *args: Any, **kwargs: Any) -> Postbox:
        self.site = FakeSite()
        reporter = Postbox("CI <ci@example.org>", *args, **kwargs)
        self.successResultOf(ensureDeferred(reporter.enter(self.site)))  # type: ignore[arg-type]
        reporter.startService()
        self.addCleanup(reporter.stopService)
        return reporter

    def finish(self, **stamp: Any) -> None:
        self.site.tell(self.site.master.add(build(results=2), **stamp), "finished")

    def test_those_whose_changes_failed_get_a_message(self) -> None:
        reporter = self.start(lookup="@example.org", extraRecipients=["All <all@example.org>"])
        self.finish()
        ((message, recipients),) = reporter.posted
        self.assertEqual(recipients, ["ann@example.org", "all@example.org"])
        self.assertEqual(message["To"], "ann@example.org")
        self.assertEqual(message["CC"], "All <all@example.org>")
        self.assertEqual(message["Subject"], "linux: failed build - tea")
        self.assertEqual(message["From"], "CI <ci@example.org>")
        self.assertIn("A failed build", message.get_content())

    def test_without_interested_users_the_others_are_addressed(self) -> None:
        reporter = self.start(sendToInterestedUsers=False, extraRecipients=["all@example.org"])
        self.finish()
        ((message, recipients),) = reporter.posted
        self.assertEqual((message["To"], message["CC"]), ("all@example.org", None))
        self.assertEqual(recipients, ["all@example.org"])

    def test_users_without_address_are_left_out(self) -> None:
        reporter = self.start()
        self.finish()
        self.assertEqual(reporter.posted, [])

    def test_patches_and_logs_are_attached(self) -> None:
        reporter = self.start(
            lookup="example.org",
            generators=[BuildStatusGenerator(add_logs=True, add_patch=True)],
            extraHeaders={"X-Worker": lambda props: props["workername"][0]},
        )
        self.finish(patch={"body": b"--- a\n", "author": "ann"})
        ((message, _),) = reporter.posted
        parts = {one.get_filename(): one.get_content() for one in message.iter_attachments()}
        self.assertEqual(parts, {"source patch 1.diff": "--- a\n", "shell.stdio": "one\ntwo\n"})
        self.assertEqual(message["X-Worker"], "w1")

    def test_a_missing_worker_is_told_to_whom_it_names_only(self) -> None:
        reporter = self.start(sendToInterestedUsers=False, extraRecipients=["all@example.org"])
        worker = {"name": "w1", "last_connection": "noon", "notify": ["ann@example.org"]}
        self.site.bus.publish(("workers", "1", "missing"), worker)
        ((message, recipients),) = reporter.posted
        self.assertEqual(recipients, ["ann@example.org", "all@example.org"])
        self.assertEqual(message["Subject"], "Tea: worker w1 is missing")

    def test_a_line_break_begins_no_header(self) -> None:
        reporter = self.start(extraHeaders={"X": "a\nBcc: b@example.org"})
        made = self.successResultOf(
            reporter.createEmail({"subject": "a\nb", "body": "c", "type": "html"}, "Tea", 0)
        )
        self.assertEqual((made["Subject"], made["X"]), ("a b", "a Bcc: b@example.org"))
        self.assertIsNone(made["Bcc"])
        self.assertEqual(made.get_content_type(), "text/html")

    def test_a_domain_completes_names(self) -> None:
        self.assertEqual(Domain("example.org").getAddress("ann"), "ann@example.org")
        self.assertEqual(Domain("example.org").getAddress("ann@b.org"), "ann@b.org")

    def test_mistakes_are_told(self) -> None:
        for kwargs, fault in (
            ({"fromaddr": "ci"}, "no e-mail address"),
            ({"extraRecipients": "all@example.org"}, "write a list"),
            ({"extraRecipients": ["all"]}, "'all', which is no e-mail address"),
            ({"sendToInterestedUsers": False}, "nobody would get any message"),
            ({"lookup": 3}, "finds no addresses"),
            ({"useTls": True, "useSmtps": True}, "exclude each other"),
            ({"smtpPassword": "x"}, "no smtpUser"),
            ({"mode": "failing"}, r"BuildStatusGenerator\(mode=...\)"),
        ):
            with self.assertRaisesRegex(ConfigError, fault):
                MailNotifier(**{"fromaddr": "ci@example.org", **kwargs})
