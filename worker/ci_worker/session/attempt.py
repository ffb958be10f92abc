"""One connection to a master: dial, log in, keep it alive, notice its end."""

import contextlib
from typing import Any

from twisted.cred.credentials import UsernamePassword
from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.spread import pb

from ci_common.banana import QuickBanana
from ci_common.liveness import watch_peer
from ci_worker.session.bot import Bot
from ci_worker.session.dial import Address, dial

#: From the first packet to the answer of the login, which comes after the master has asked all
#: it wants to know.
LOGIN_TIMEOUT_S = 25.0

_UNAUTHORIZED = b"twisted.cred.error.UnauthorizedLogin"
_DUPLICATE = "rejecting duplicate worker"

log = Logger()


class CannotConnect(Exception):
    """No connection, or it broke before the login was done."""


class WrongPassword(Exception):
    """The master knows no such worker, or the password is another."""


class Rejected(Exception):
    """Another worker of this name is connected, and alive."""


class LoginFailed(Exception):
    """The master failed while it attached us."""


class MasterBroker(QuickBanana, pb.Broker):
    """The protocol of one connection; it tells its factory when it is over."""

    factory: Any  # a MasterFactory

    def connectionMade(self) -> None:
        """Send what is small at once: a command's messages are, and each waits for an answer."""
        transport: Any = self.transport
        with contextlib.suppress(AttributeError):
            transport.setTcpNoDelay(True)  # TLS and UNIX sockets may have no such thing
        super().connectionMade()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is over."""
        super().connectionLost(reason)
        self.factory.is_over(reason)


class MasterFactory(pb.PBClientFactory):
    """Makes the one broker of an attempt.

    :ivar over: fires with the reason when the connection is over or could not be made.
    """

    protocol = MasterBroker
    noisy = False  # no line in the log for each try

    def __init__(self) -> None:
        super().__init__()
        self.broker: Any = None
        self.over: Deferred[str] = Deferred()

    def buildProtocol(self, addr: Any) -> Any:
        """Make the broker, and remember it."""
        self.broker = super().buildProtocol(addr)
        return self.broker

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        """There is no connection."""
        self.is_over(reason)

    def clientConnectionLost(self, connector: Any, reason: Failure, reconnecting: int = 0) -> None:
        """The broker has told us already."""

    def is_over(self, reason: Failure) -> None:
        """Whoever waits for the master need not wait any longer."""
        self._failAll(reason)
        if not self.over.called:
            self.over.callback(reason.getErrorMessage())


class Attempt:
    """One connection, from the first packet to the last.

    :ivar perspective: the master's side, after ``login``.
    """

    def __init__(self, reactor: Any, address: Address, bot: Bot) -> None:
        self._reactor = reactor
        self._address = address
        self._bot = bot
        self._factory = MasterFactory()
        self.perspective: Any = None

    async def login(self, name: str, password: str) -> None:
        """Connect and log in.

        :raises CannotConnect, WrongPassword, Rejected, LoginFailed: and nothing is left open.
        """
        give_up = dial(self._reactor, self._address, self._factory, LOGIN_TIMEOUT_S)
        credentials = UsernamePassword(name.encode("utf-8"), password.encode("utf-8"))
        answer = self._factory.login(credentials, self._bot)
        answer.addTimeout(LOGIN_TIMEOUT_S, self._reactor)
        try:
            self.perspective = await answer
        except pb.RemoteError as error:
            self.close()
            raise _refusal(error) from error
        except (TimeoutError, CancelledError):
            give_up()
            self.close()
            raise CannotConnect(f"no answer within {LOGIN_TIMEOUT_S:g} s") from None
        except Exception as error:
            give_up()
            self.close()
            raise CannotConnect(str(error) or type(error).__name__) from error

    def keep_tcp_alive(self) -> bool:
        """Ask the system to probe the connection; False if it cannot."""
        return watch_peer(self._factory.broker.transport)

    async def over(self) -> str:
        """Wait for the end of the connection; why it ended."""
        return await self._factory.over

    def close(self) -> None:
        """End the connection at once."""
        broker = self._factory.broker
        if broker is not None and broker.transport is not None:
            broker.transport.abortConnection()


def _refusal(error: pb.RemoteError) -> Exception:
    text = str(error)
    if error.remoteType == _UNAUTHORIZED:
        return WrongPassword(text)
    if _DUPLICATE in text:
        return Rejected(text)
    return LoginFailed(text)
