"""Tells people of builds by e-mail."""

import re
from collections.abc import Iterable, Mapping
from email.message import EmailMessage
from typing import Any

from zope.interface import implementer

from ci_common.aio import call_override, settle
from ci_master.data.faults import configFault
from ci_master.reporters.base import ENCODING, ReporterBase
from ci_master.reporters.deferring import deferring
from ci_master.reporters.generators.build import BuildStatusGenerator
from ci_master.reporters.generators.worker import WorkerMissingGenerator
from ci_master.reporters.interfaces import IEmailLookup
from ci_master.reporters.mailing import Relay, send_mail
from ci_master.reporters.mailtext import (
    VALID_EMAIL,
    VALID_EMAIL_ADDR,
    attach_log,
    attach_patch,
    usual_subject,
)
from ci_master.reporters.sending import with_retries
from ci_master.reporters.utils import merge_reports_prop, merge_reports_prop_take_first

__all__ = ["ENCODING", "VALID_EMAIL", "VALID_EMAIL_ADDR", "Domain", "MailNotifier"]


@implementer(IEmailLookup)
class Domain:
    """Users have their mailbox in this domain, under their name.

    :param domain: such as ``example.com``; a leading ``@`` is left away.
    """

    def __init__(self, domain: str) -> None:
        self.domain = domain.removeprefix("@")

    def getAddress(self, name: str) -> str:
        """The address of a user; a whole address stays as it is."""
        return name if "@" in name else f"{name}@{self.domain}"


class MailNotifier(ReporterBase):
    """Sends reports by e-mail.

    :param fromaddr: the sender.
    :param relayhost: the mail server that takes the messages.
    :param lookup: finds addresses of users: a domain, or something with ``getAddress(user)``.
    :param extraRecipients: addresses that get every message.
    :param sendToInterestedUsers: whether those whose changes were built get it too.
    :param extraHeaders: more headers; values may be renderables over the build's properties.
    :param useTls: whether to switch to TLS (STARTTLS); refuses to send without.
    :param useSmtps: whether to connect with TLS from the start.
    :param smtpUser: login for the mail server; may be a secret, as ``smtpPassword`` may.
    :param smtpPort: default 25.
    :param dumpMailsToLog: whether all messages are written to the master's log.
    """

    def checkConfig(
        self,
        fromaddr: Any,
        relayhost: Any = "localhost",
        lookup: Any = None,
        extraRecipients: Any = None,
        sendToInterestedUsers: bool = True,
        extraHeaders: Any = None,
        useTls: bool = False,
        useSmtps: bool = False,
        smtpUser: Any = None,
        smtpPassword: Any = None,
        smtpPort: int = 25,
        dumpMailsToLog: bool = False,
        generators: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Check the arguments."""
        super().checkConfig(generators=generators, **kwargs)
        if isinstance(fromaddr, str) and not VALID_EMAIL.search(fromaddr):
            configFault(f"fromaddr {fromaddr!r} is no e-mail address")
        _check_recipients(extraRecipients, sendToInterestedUsers)
        known = lookup is None or isinstance(lookup, str) or hasattr(lookup, "getAddress")
        if not known:
            configFault(
                f"lookup {lookup!r} finds no addresses",
                "write a domain, or something with a method getAddress(user)",
            )
        if extraHeaders is not None and not isinstance(extraHeaders, Mapping):
            configFault(f"extraHeaders are {extraHeaders!r}", "write {'Name': 'value'}")
        if useTls and useSmtps:
            configFault("useTls and useSmtps exclude each other", "choose one of them")
        if smtpPassword is not None and smtpUser is None:
            configFault("there is an smtpPassword, but no smtpUser", "write smtpUser='...'")
        if not isinstance(smtpPort, int):
            configFault(f"smtpPort {smtpPort!r} is not a number")

    def reconfigService(
        self,
        fromaddr: Any,
        relayhost: Any = "localhost",
        lookup: Any = None,
        extraRecipients: Any = None,
        sendToInterestedUsers: bool = True,
        extraHeaders: Any = None,
        useTls: bool = False,
        useSmtps: bool = False,
        smtpUser: Any = None,
        smtpPassword: Any = None,
        smtpPort: int = 25,
        dumpMailsToLog: bool = False,
        generators: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Send in this way from now on."""
        self.fromaddr = fromaddr
        self.relayhost = relayhost
        self.lookup = Domain(lookup) if isinstance(lookup, str) else lookup
        self.extraRecipients = list(extraRecipients or ())
        self.sendToInterestedUsers = sendToInterestedUsers
        self.extraHeaders = extraHeaders
        self.useTls = useTls
        self.useSmtps = useSmtps
        self.smtpUser = smtpUser
        self.smtpPassword = smtpPassword
        self.smtpPort = smtpPort
        self.dumpMailsToLog = dumpMailsToLog
        return super().reconfigService(generators=generators, **kwargs)

    def _create_default_generators(self) -> list[Any]:
        return [BuildStatusGenerator(add_patch=True), WorkerMissingGenerator(workers="all")]

    # -- the message

    @deferring
    async def sendMessage(self, reports: list[dict[str, Any]]) -> None:
        """Send one message with all the reports."""
        kinds = {report.get("type") for report in reports}
        if kinds == {"plain", "html"}:
            reports = [one for one in reports if one.get("type") == "html"]
        users = merge_reports_prop(reports, "users") or []
        worker = merge_reports_prop_take_first(reports, "worker")
        if worker is None:
            found = await self.findInterrestedUsersEmails(users)
        else:
            found = set(users)  # whom the worker names: addresses, whatever else is wanted
        message = await self.createEmail(
            {
                "body": merge_reports_prop(reports, "body") or "",
                "subject": merge_reports_prop_take_first(reports, "subject"),
                "type": merge_reports_prop_take_first(reports, "type") or "plain",
            },
            self.master.config.title,
            merge_reports_prop_take_first(reports, "results"),
            merge_reports_prop(reports, "builds"),
            merge_reports_prop(reports, "patches"),
            merge_reports_prop(reports, "logs"),
        )
        recipients = self.processRecipients(found, message, wanted=worker is not None)
        if recipients:
            await call_override(self.sendMail, message, recipients)
        else:
            self.log.info("nobody wants the message {subject!r}", subject=message["Subject"])

    @deferring
    async def createEmail(
        self,
        msgdict: Mapping[str, Any],
        title: str,
        results: int | None,
        builds: list[Any] | None = None,
        patches: list[Any] | None = None,
        logs: list[Any] | None = None,
    ) -> EmailMessage:
        """The message, without its recipients."""
        message = EmailMessage()
        message["Subject"] = _one_line(
            msgdict.get("subject") or usual_subject(title, results, builds)
        )
        message["From"] = _one_line(self.fromaddr)
        kind = "html" if msgdict.get("type") == "html" else "plain"
        message.set_content(str(msgdict["body"]), subtype=kind, charset=ENCODING)
        for number, patch in enumerate(patches or (), 1):
            attach_patch(message, patch, number)
        for log in logs or ():
            attach_log(message, log)
        properties = builds[0].get("properties") if builds and len(builds) == 1 else None
        for name, value in (self.extraHeaders or {}).items():
            filled = await self.master.render(value, properties or {})
            del message[name]
            message[name] = _one_line(str(filled))
        return message

    @deferring
    async def findInterrestedUsersEmails(self, users: Iterable[str]) -> set[str]:
        """The addresses of users, where they can be found."""
        found: set[str] = set()
        if not self.sendToInterestedUsers:
            return found
        for user in users:
            if user == "anonymous":
                continue  # who asked for the build without a login
            address: Any = user
            if self.lookup is not None:
                address = await settle(self.lookup.getAddress(user))
            if address and VALID_EMAIL.search(address):
                found.add(address)
            else:
                self.log.info("user {user} has no valid e-mail address", user=user)
        return found

    def processRecipients(
        self, blamelist: Iterable[str], message: EmailMessage, wanted: bool = False
    ) -> list[str]:
        """Write the recipients into the message; gives the addresses to send it to.

        :param wanted: whether those of the blamelist get it, whatever the configuration says.
        """
        to = sorted(set(blamelist)) if self.sendToInterestedUsers or wanted else []
        copies = sorted(set(self.extraRecipients) - set(to))
        if not to:
            to, copies = copies, []
        for name, addresses in (("To", to), ("CC", copies)):
            if addresses:
                message[name] = ", ".join(_one_line(one) for one in addresses)
        return [self.formatAddress(one) for one in (*to, *copies)]

    def formatAddress(self, address: str) -> str:
        """The bare address in something like ``Name <address>``."""
        inside = re.search(r"<(.*)>", address)
        return inside.group(1) if inside else address

    @deferring
    async def sendMail(self, message: EmailMessage, recipients: list[str]) -> None:
        """Hand the message to the mail server.

        :raises Undelivered: if it does not take it.
        """
        # Not every mail server takes bytes above 127.
        text = message.as_bytes(policy=message.policy.clone(cte_type="7bit"))
        if self.dumpMailsToLog:
            self.log.info("e-mail to {to}:\n{text}", to=recipients, text=message.as_string())
        render = self.site.render
        user, password = await render(self.smtpUser), await render(self.smtpPassword)
        relay = Relay(
            str(await render(self.relayhost)), self.smtpPort, user, password,
            use_tls=self.useTls, use_smtps=self.useSmtps,
        )  # fmt: skip
        sender = self.formatAddress(self.fromaddr)
        clock = self.site.clock
        await with_retries(clock, lambda: send_mail(clock, relay, sender, recipients, text))


def _check_recipients(extra: Any, to_interested: bool) -> None:
    if extra is not None and not isinstance(extra, list | tuple):
        configFault(f"extraRecipients is {extra!r}", "write a list of e-mail addresses")
        return
    for address in extra or ():
        if not isinstance(address, str) or not VALID_EMAIL.search(address):
            configFault(f"extraRecipients has {address!r}, which is no e-mail address")
    if not extra and not to_interested:
        configFault(
            "nobody would get any message: sendToInterestedUsers is False, and there are no "
            "extraRecipients",
            "write extraRecipients=['...']",
        )


def _one_line(text: str) -> str:
    """A header's value: a line break in it would begin another header."""
    return " ".join(str(text).split())
