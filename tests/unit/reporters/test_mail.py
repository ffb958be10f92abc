"""E-mails: their parts, and who gets them."""

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from twisted.internet.defer import ensureDeferred, succeed
from twisted.logger import LogLevel
from twisted.trial.unittest import SynchronousTestCase

from ci_common.faults import ConfigError
from ci_master.reporters.generators.build import (
    BuildStartEndStatusGenerator,
    BuildStatusGenerator,
)
from ci_master.reporters.mail import Domain, MailNotifier
from tests.fakes.reporters import FakeSite, build
from tests.unit.reporters.noting import noted


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
        self.assertEqual(message["Subject"], "linux (main): failed build - failed make")
        self.assertEqual(message["From"], "CI <ci@example.org>")
        self.assertIn("linux #2 on main: failed build", message.get_content())

    def test_the_beginning_and_the_end_have_the_usual_subject(self) -> None:
        reporter = self.start(
            sendToInterestedUsers=False,
            extraRecipients=["all@example.org"],
            generators=[BuildStartEndStatusGenerator()],
        )
        row = self.site.master.add(build(results=None))
        self.site.tell(row, "new")
        row = self.site.master.add(build(results=2, failure="test: exit 1 - 3 failed"))
        self.site.tell(row, "finished")
        row = self.site.master.add(build(results=0))
        self.site.tell(row, "finished")
        subjects = [str(message["Subject"]) for message, _ in reporter.posted]
        assert subjects == [
            "linux (main): build started",
            "linux (main): failed build - test: exit 1 - 3 failed",
            "linux (main): passing build",
        ]

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
        self.site.tell_of(("workers", "1", "missing"), worker)
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

    def test_a_recipient_that_cannot_be_used_is_left_out_and_named(self) -> None:
        class Lookup:
            def getAddress(self, user: str) -> Any:
                if user == "ann":
                    raise LookupError("no such person")
                return {"dara": "d\u00e4ra@example.org", "cy": "Doe, Cy <cy@example.org>"}[user]

        reporter = self.start(
            lookup=Lookup(),
            extraRecipients=["all@" + "\u00fc" * 70 + ".example", "ok@example.org"],
        )
        self.site.master.properties["owners"] = (["dara", "cy"], "Force")
        with noted(LogLevel.warn) as warnings:
            self.finish()
        ((message, recipients),) = reporter.posted
        self.assertEqual(recipients, ["cy@example.org", "ok@example.org"])
        self.assertEqual(message["To"], '"Doe, Cy" <cy@example.org>')
        self.assertEqual(message["CC"], "ok@example.org")
        self.assertEqual(len(self.flushLoggedErrors(LookupError)), 1)
        self.assertIn("no mail goes to 'd\u00e4ra@example.org' (of user 'dara')", warnings[0])
        self.assertIn("(of extraRecipients): its domain", warnings[1])

    def test_names_with_commas_are_quoted_in_all_headers(self) -> None:
        reporter = self.start(
            sendToInterestedUsers=False,
            extraRecipients=["Doe, Ann <ann@example.org>"],
            extraHeaders={
                "reply-to": "Doe, Bob <bob@example.org>",
                "Cc": '"Lee, Di" <di@example.org>, j\u00f6rg@example.org',
                "To": "team@example.org",
            },
        )
        reporter.fromaddr = "CI, the first <ci@example.org>"
        self.finish()
        ((message, recipients),) = reporter.posted
        self.assertEqual(recipients, ["ann@example.org"])
        read = message_from_bytes(message.as_bytes(), policy=default)
        found = {
            name: [(one.display_name, one.addr_spec) for one in read[name].addresses]
            for name in ("From", "Reply-To", "To", "Cc")
        }
        self.assertEqual(
            found,
            {
                "From": [("CI, the first", "ci@example.org")],
                "Reply-To": [("Doe, Bob", "bob@example.org")],
                "To": [("", "team@example.org"), ("Doe, Ann", "ann@example.org")],
                "Cc": [("Lee, Di", "di@example.org")],
            },
        )

    def test_what_no_message_can_carry_is_replaced(self) -> None:
        reporter = self.start()
        made = self.successResultOf(
            reporter.createEmail({"subject": "\ud800 a\n\u00fc", "body": "\udcffb\0"}, "Tea", 0)
        )
        self.assertEqual(made["Subject"], "? a \u00fc")
        self.assertEqual(made.get_content(), "?b\N{REPLACEMENT CHARACTER}\n")
        self.assertTrue(made.as_bytes())

    def test_a_domain_completes_names(self) -> None:
        self.assertEqual(Domain("example.org").getAddress("ann"), "ann@example.org")
        self.assertEqual(Domain("example.org").getAddress("ann@b.org"), "ann@b.org")

    def test_mistakes_are_told(self) -> None:
        for kwargs, fault in (
            ({"fromaddr": "ci"}, "no e-mail address"),
            ({"fromaddr": "c\u00ef@example.org"}, "beyond ASCII"),
            ({"extraHeaders": {"X\nBcc": "a"}}, "no name of a header"),
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
