"""Hands one message to a mail server."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from twisted.internet.defer import CancelledError, Deferred

from ci_master.reporters.sending import TryAgain, Undelivered, may_pass

# twisted.mail is costly to import: only a reporter that sends mail pays for it.

#: A mail server must take the connection, and answer each command, within this time.
ANSWER_S = 60.0


@dataclass(frozen=True)
class Relay:
    """A mail server, and how to talk to it."""

    host: str
    port: int = 25
    user: str | None = None
    password: str | None = None
    use_tls: bool = False
    use_smtps: bool = False


@dataclass
class Mailing:
    """One message on its way, and what has become of it so far.

    :ivar recipients: the addresses that it has still to reach.
    :ivar refused: address -> why the server will never take the message for it.
    """

    sender: str
    recipients: list[str]
    message: bytes
    refused: dict[str, str] = field(default_factory=dict)

    async def attempt(self, reactor: Any, relay: Relay) -> None:
        """Hand the message to the server, for those that it has still to reach.

        :raises TryAgain: if the server could not be reached, or cannot take it just now, be it
            for some of the recipients.
        :raises Undelivered: if it refused the message for everybody.
        """
        from twisted.mail.smtp import SMTPClientError

        where = f"the mail server at {relay.host}:{relay.port}"
        try:
            _, answers = await _send(
                reactor, relay, self.sender, list(self.recipients), self.message
            )
        except CancelledError:
            raise
        except SMTPClientError as error:
            of_each: Any = error.addresses or ()
            self._refuse(of_each)
            told = f"{where} did not take the message: {error.code} {_text(error.resp)}"
            if self.refused and not self.recipients:
                told = f"{where} takes no message for {self.refusals()}"
                raise Undelivered(told) from error
            # Codes of 500 and more are refusals for good; those below 0 tell of the connection.
            # Where no recipient was taken, the code is that of the last one: some may be later.
            nobody = of_each and not any(_taken(code) for _, code, _ in of_each)
            kind = Undelivered if error.code >= 500 and not nobody else TryAgain
            raise kind(told) from error
        except Exception as error:
            if not may_pass(error):
                raise
            raise TryAgain(f"{where} cannot be reached: {error or type(error).__name__}") from error
        self._refuse(answers)
        for address, code, _ in answers:
            if _taken(code):
                self.recipients.remove(address.decode("ascii"))
        if self.recipients:
            later = ", ".join(self.recipients)
            raise TryAgain(f"{where} does not take the message just now for {later}")

    def _refuse(self, answers: Sequence[tuple[bytes, int, bytes]]) -> None:
        """Take over whom the server will never take the message for."""
        for address, code, said in answers:
            if code >= 500:
                name = address.decode("ascii")
                self.recipients.remove(name)
                self.refused[name] = f"{code} {_text(said)}"

    def refusals(self) -> str:
        """Whom the server refused, and why."""
        return "; ".join(f"{address} ({why})" for address, why in self.refused.items())


def _taken(code: int) -> bool:
    return 200 <= code < 300


def _text(said: bytes) -> str:
    return said.decode("utf-8", "replace").strip()


def _send(
    reactor: Any, relay: Relay, sender: str, recipients: Sequence[str], message: bytes
) -> Deferred[Any]:
    from twisted.mail.smtp import ESMTPSenderFactory

    connector: list[Any] = []

    def give_up(_: object) -> None:
        for one in connector:
            one.disconnect()

    sent: Deferred[Any] = Deferred(give_up)
    factory = ESMTPSenderFactory(
        None if relay.user is None else relay.user.encode(),
        None if relay.password is None else relay.password.encode(),
        sender,
        list(recipients),
        BytesIO(message.replace(b"\r\n", b"\n")),
        sent,
        retries=0,
        timeout=ANSWER_S,
        contextFactory=_tls(relay) if relay.use_tls else None,
        requireTransportSecurity=relay.use_tls,
        heloFallback=not relay.use_tls and relay.user is None,
        requireAuthentication=relay.user is not None,
    )
    factory.noisy = False  # twistd.log needs no two lines for each mail
    if relay.use_smtps:
        made = reactor.connectSSL(relay.host, relay.port, factory, _tls(relay), timeout=ANSWER_S)
    else:
        made = reactor.connectTCP(relay.host, relay.port, factory, timeout=ANSWER_S)
    connector.append(made)
    return sent


def _tls(relay: Relay) -> Any:
    from twisted.internet.ssl import optionsForClientTLS

    return optionsForClientTLS(relay.host)
