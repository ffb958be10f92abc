"""Tells people of builds by e-mail."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

from zope.interface import implementer

from ci_common.aio import call_override, settle
from ci_master.data.faults import configFault
from ci_master.reporters.addresses import (
    ADDRESS_HEADERS,
    MailAddress,
    Unusable,
    address_header,
    distinct,
    parse_address,
    split_addresses,
)
from ci_master.reporters.base import ENCODING, MOST_WAITING, ReporterBase
from ci_master.reporters.context import failure_of
from ci_master.reporters.deferring import deferring
from ci_master.reporters.generators.build import BuildStatusGenerator
from ci_master.reporters.generators.worker import WorkerMissingGenerator
from ci_master.reporters.interfaces import IEmailLookup
from ci_master.reporters.mailing import Mailing, Relay
from ci_master.reporters.mailtext import (
    VALID_EMAIL,
    VALID_EMAIL_ADDR,
    attach_log,
    attach_patch,
    encodable,
    usual_subject,
)
from ci_master.reporters.sending import TryAgain, Undelivered
from ci_master.reporters.utils import merge_reports_prop, merge_reports_prop_take_first

#: Printable ASCII without the colon.
_HEADER_NAME = re.compile(r"^[!-9;-~]+$")

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

    A recipient that no mail can be sent to, or that the server refuses, is left out, and the log
    says which; the others get the message.

    :param fromaddr: the address that the mail comes from.
    :type fromaddr: string
    :param relayhost: the mail server that takes the messages.
    :param lookup: finds the addresses of users: a domain that is put behind their names, or an
        object with a method ``getAddress(user)``.
    :type lookup: string, object or None
    :param extraRecipients: addresses that get every message.
    :type extraRecipients: list of strings or None
    :param sendToInterestedUsers: send the message to the authors of the changes that were
        built, too.
    :param extraHeaders: further headers of the message; the values may be renderables over the
        properties of the build.
    :type extraHeaders: dictionary or None
    :param useTls: switch to TLS by STARTTLS; where the server has no TLS nothing is sent.
    :param useSmtps: connect by TLS from the start.
    :param smtpUser: the user name for the mail server; may be a ``Secret``.
    :type smtpUser: string, renderable or None
    :param smtpPassword: the password for the mail server; may be a ``Secret``.
    :type smtpPassword: string, renderable or None
    :param smtpPort: the port of the mail server.
    :param dumpMailsToLog: write each message to ``twistd.log`` as well.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._unreached: dict[str, list[str]] = {}  # by Message-ID, of what is tried again
        super().__init__(*args, **kwargs)

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
        if isinstance(fromaddr, str):
            try:
                parse_address(fromaddr)
            except Unusable as error:
                configFault(f"fromaddr {fromaddr!r} is no e-mail address: {error}")
        _check_recipients(extraRecipients, sendToInterestedUsers)
        known = lookup is None or isinstance(lookup, str) or hasattr(lookup, "getAddress")
        if not known:
            configFault(
                f"lookup {lookup!r} finds no addresses",
                "write a domain, or something with a method getAddress(user)",
            )
        if extraHeaders is not None and not isinstance(extraHeaders, Mapping):
            configFault(f"extraHeaders are {extraHeaders!r}", "write {'Name': 'value'}")
        for header in extraHeaders if isinstance(extraHeaders, Mapping) else ():
            if not isinstance(header, str) or not _HEADER_NAME.match(header):
                configFault(f"extraHeaders has {header!r}, which is no name of a header")
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
        if not recipients:
            self.log.info("nobody wants the message {subject!r}", subject=message["Subject"])
            return
        report_id = merge_reports_prop_take_first(reports, "id")
        if report_id is not None and "Message-ID" not in message:
            # The same whenever it is sent, so that a reader can tell that it came twice.
            message["Message-ID"] = f"<{report_id}@{self._sender().domain.strip('[]')}>"
        if "Date" not in message:
            message["Date"] = format_datetime(
                datetime.fromtimestamp(self.site.clock.seconds(), UTC)
            )
        await call_override(self.sendMail, message, recipients)

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
        subject = msgdict.get("subject")
        if not subject:
            subject = usual_subject(title, results, builds, await self._failure(builds))
        message["Subject"] = _one_line(subject)
        message.set_raw("From", self._sender().header())
        kind = "html" if msgdict.get("type") == "html" else "plain"
        body = encodable(str(msgdict["body"]))
        message.set_content(body, subtype=kind, charset=ENCODING)
        for number, patch in enumerate(patches or (), 1):
            attach_patch(message, patch, number)
        for log in logs or ():
            attach_log(message, log)
        properties = builds[0].get("properties") if builds and len(builds) == 1 else None
        for name, value in (self.extraHeaders or {}).items():
            filled = str(await self.master.render(value, properties or {}))
            del message[name]
            if name.lower() in ADDRESS_HEADERS:
                given = self._usable(split_addresses(_one_line(filled)), f"its header {name}")
                if given:
                    message.set_raw(name, address_header(given))
            else:
                message[name] = _one_line(filled)
        if "From" not in message:
            message.set_raw("From", self._sender().header())
        return message

    async def _failure(self, builds: list[Any] | None) -> str:
        """Why the only build of a report did not do well; empty if it did, or there are others."""
        if not builds or len(builds) != 1 or builds[0].get("buildid") is None:
            return ""
        outcome = await settle(self.master.data.outcome(builds[0]["buildid"]))
        return failure_of(builds[0], outcome)

    def _sender(self) -> MailAddress:
        try:
            return parse_address(self.fromaddr)
        except Unusable as error:
            raise Undelivered(f"fromaddr {self.fromaddr!r} cannot be used: {error}") from error

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
                try:
                    address = await settle(self.lookup.getAddress(user))
                except Exception:
                    self.log.failure(
                        "{name}: the address of user {user} could not be looked up; the others "
                        "get the message",
                        name=self.name,
                        user=user,
                    )
                    continue
            found.update(one for one in [address] if self._usable([one], f"user {user!r}"))
        return found

    def _usable(self, texts: Iterable[Any], whose: str) -> list[MailAddress]:
        """The addresses that mail can be sent to; the log says which ones are left out."""
        found = []
        for text in texts:
            try:
                found.append(parse_address(text))
            except Unusable as error:
                is_address = isinstance(text, str) and "@" in text
                note = self.log.warn if is_address else self.log.info
                note(
                    "{name}: no mail goes to {address!r} (of {whose}): {error}",
                    name=self.name,
                    address=text,
                    whose=whose,
                    error=error,
                )
        return found

    def processRecipients(
        self, blamelist: Iterable[str], message: EmailMessage, wanted: bool = False
    ) -> list[str]:
        """Write the recipients into the message; gives the addresses to send it to.

        :param wanted: whether those of the blamelist get it, whatever the configuration says.
        """
        people = sorted(set(blamelist)) if self.sendToInterestedUsers or wanted else []
        to = distinct(self._usable(people, "the interested users"))
        known = {address.key for address in to}
        extra = distinct(self._usable(sorted(set(self.extraRecipients)), "extraRecipients"))
        copies = [address for address in extra if address.key not in known]
        if not to:
            to, copies = copies, []
        for name, addresses in (("To", to), ("CC", copies)):
            if addresses:
                given = [address_header(addresses)]
                if name in message:  # from extraHeaders
                    given.insert(0, ",\n ".join(_raw(message, name)))
                    del message[name]
                message.set_raw(name, ",\n ".join(given))
        return [address.bare for address in (*to, *copies)]

    def formatAddress(self, address: str) -> str:
        """The bare address in something like ``Name <address>``."""
        inside = re.search(r"<(.*)>", address)
        return inside.group(1) if inside else address

    @deferring
    async def sendMail(self, message: EmailMessage, recipients: list[str]) -> None:
        """Hand the message to the mail server.

        :raises Undelivered: if it does not take it.
        """
        # Not every mail server takes bytes above 127. The headers are folded already: Python
        # would take the quotes off long names.
        policy: Any = message.policy
        policy = policy.clone(cte_type="7bit", refold_source="none")
        text = message.as_bytes(policy=policy)
        if self.dumpMailsToLog:
            self.log.info("e-mail to {to}:\n{text}", to=recipients, text=text.decode("ascii"))
        render = self.site.render
        user, password = await render(self.smtpUser), await render(self.smtpPassword)
        relay = Relay(
            str(await render(self.relayhost)), self.smtpPort, user, password,
            use_tls=self.useTls, use_smtps=self.useSmtps,
        )  # fmt: skip
        # Whom an earlier try reached gets the message no second time.
        message_id = message["Message-ID"]
        left = self._unreached.pop(message_id, recipients)
        mailing = Mailing(self._sender().bare, [one for one in recipients if one in left], text)
        try:
            await mailing.attempt(self.site.clock, relay)
        except TryAgain:
            if message_id is not None and len(self._unreached) < MOST_WAITING:
                self._unreached[message_id] = mailing.recipients
            raise
        finally:
            for address, why in mailing.refused.items():
                self.log.warn(
                    "{name}: the mail server takes no message for {address}: {why}",
                    name=self.name,
                    address=address,
                    why=why,
                )


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
    return " ".join(encodable(str(text)).split())


def _raw(message: EmailMessage, name: str) -> list[str]:
    return [str(value) for key, value in message.raw_items() if key.lower() == name.lower()]
