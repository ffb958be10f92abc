"""Mail from a real master to a real mail server."""

from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

from tests.process.farm import Farm, wait_until
from tests.process.test_reporters import FORM, started

pytestmark = pytest.mark.process


class Mailbox:
    """Takes mail, unless its test says otherwise.

    :ivar mails: (recipients, message), in the order in which they came.
    :ivar answers: recipient -> what is answered in turn; then it is taken.
    """

    def __init__(self) -> None:
        self.mails: list[tuple[list[str], EmailMessage]] = []
        self.answers: dict[str, list[str]] = {}
        self.asked: list[str] = []

    async def handle_RCPT(
        self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        self.asked.append(address)
        if self.answers.get(address):
            return self.answers[address].pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:
        message = message_from_bytes(envelope.content, policy=policy.default)
        self.mails.append((list(envelope.rcpt_tos), message))
        return "250 taken"


class Loopback(Controller):
    """A mail server on a free port."""

    port: int

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@contextmanager
def mail_server(mailbox: Mailbox) -> Iterator[int]:
    """Have a mail server run; gives its port."""
    server = Loopback(mailbox, hostname="127.0.0.1", port=0, enable_SMTPUTF8=False)
    server.start()
    try:
        yield server.port
    finally:
        server.stop()


RECIPIENTS = [
    "gone@example.org",
    "Doe, Ann <ann@example.org>",
    "j\u00f6rg@example.org",
    "late@example.org",
    "M\u00fcller, J\u00f6rg <jm@example.org>",
    "bad@" + "\u00fc" * 70 + ".example",
    "cy@B\u00fccher.example",
]


def test_one_recipient_that_cannot_be_used_costs_the_others_nothing(farm: Farm) -> None:
    mailbox = Mailbox()
    mailbox.answers = {
        "gone@example.org": ["550 5.1.1 no such mailbox"] * 50,
        "late@example.org": ["451 4.7.1 come again"],
    }
    with mail_server(mailbox) as port:
        master = started(
            farm,
            f"""
class Lookup:
    def getAddress(self, user):
        if user == 'raises':
            raise LookupError('no directory')
        return {{'group': 'friends: a@example.org;', 'broken': 'x@example.org\\nBcc: y@z',
                'fine': 'Fine, So <fine@example.org>'}}.get(user)
c['schedulers'].append(schedulers.AnyBranchScheduler(name='all', builderNames=['bad']))
c['services'] = [reporters.MailNotifier(
    fromaddr='CI, builds <ci@example.org>', relayhost='127.0.0.1', smtpPort={port},
    lookup=Lookup(), extraRecipients={RECIPIENTS!r},
    extraHeaders={{'Reply-To': 'Help, please <help@example.org>'}},
    generators=[reporters.BuildStatusGenerator(
        mode='failing', message_formatter=reporters.MessageFormatter(
            subject='Gr\u00fc\u00dfe,\\nall', template='It fails: \u2603'))])]
""",
        )
        for author in ("raises", "group", "broken", "unknown", "fine"):
            change = f"author={author}&comments=x&branch=main".encode()
            master.rest.open("POST", "/change_hook/base", change, FORM)
        wait_until(
            lambda: (
                sum("late@example.org" in to for to, _ in mailbox.mails) >= 1
                and any("fine@example.org" in to for to, _ in mailbox.mails)
            ),
            "the mail to those who can be reached",
        )
        builds = master.rest.all("builders/bad/builds")
        assert master.stop() == 0
    to, mail = next(one for one in mailbox.mails if "fine@example.org" in one[0])
    assert sorted(to) in (
        ["ann@example.org", "cy@xn--bcher-kva.example", "fine@example.org", "jm@example.org"],
        [
            "ann@example.org",
            "cy@xn--bcher-kva.example",
            "fine@example.org",
            "jm@example.org",
            "late@example.org",
        ],
    )
    copies = [(one.display_name, one.addr_spec) for one in mail["Cc"].addresses]
    assert ("Doe, Ann", "ann@example.org") in copies
    assert ("M\u00fcller, J\u00f6rg", "jm@example.org") in copies
    assert len(copies) == 5  # those of RECIPIENTS that a mail server can be asked for
    (sender,) = mail["From"].addresses
    assert (sender.display_name, sender.addr_spec) == ("CI, builds", "ci@example.org")
    (reply,) = mail["Reply-To"].addresses
    assert reply.display_name == "Help, please"
    assert mail["Subject"] == "Gr\u00fc\u00dfe, all"
    assert mail.get_content().strip() == "It fails: \u2603"
    # Who was refused for good is asked once for each message, whoever was put off meanwhile.
    assert 1 <= mailbox.asked.count("gone@example.org") <= len(builds)
    assert mail["Bcc"] is None
    log = master.log()
    for told in (
        "no mail goes to 'j\u00f6rg@example.org' (of extraRecipients): its mailbox has characters",
        ".example' cannot be encoded",
        "no mail goes to 'friends: a@example.org;' (of user 'group')",
        "(of user 'broken'): it has a line break",
        "no mail goes to None (of user 'unknown')",
        "the address of user raises could not be looked up",
        "takes no message for gone@example.org: 550 5.1.1 no such mailbox",
    ):
        assert told in log, told
