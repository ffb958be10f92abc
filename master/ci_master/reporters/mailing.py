"""Hands one message to a mail server."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from twisted.internet.defer import CancelledError, Deferred

from ci_master.reporters.sending import TryAgain, Undelivered

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


async def send_mail(
    reactor: Any, relay: Relay, sender: str, recipients: Sequence[str], message: bytes
) -> None:
    """Send a message.

    :raises TryAgain: if the server could not be reached, or cannot take it just now.
    :raises Undelivered: if it refused it.
    """
    from twisted.mail.smtp import SMTPClientError

    where = f"the mail server at {relay.host}:{relay.port}"
    try:
        await _send(reactor, relay, sender, recipients, message)
    except CancelledError:
        raise
    except SMTPClientError as error:
        said = error.resp.decode("utf-8", "replace").strip()
        # Codes of 500 and more are refusals for good; those below 0 tell of the connection.
        kind = Undelivered if error.code >= 500 else TryAgain
        raise kind(f"{where} did not take the message: {error.code} {said}") from error
    except Exception as error:
        # Twisted has a dozen of them for names, routes, refusals and TLS.
        raise TryAgain(f"{where} cannot be reached: {error or type(error).__name__}") from error


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
    if relay.use_smtps:
        made = reactor.connectSSL(relay.host, relay.port, factory, _tls(relay), timeout=ANSWER_S)
    else:
        made = reactor.connectTCP(relay.host, relay.port, factory, timeout=ANSWER_S)
    connector.append(made)
    return sent


def _tls(relay: Relay) -> Any:
    from twisted.internet.ssl import optionsForClientTLS

    return optionsForClientTLS(relay.host)
