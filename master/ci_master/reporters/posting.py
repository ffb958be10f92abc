"""One POST to a web server: with a time limit, and an answer of which little is kept."""

from collections.abc import Mapping
from io import BytesIO
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionAborted
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from ci_master.reporters.sending import TryAgain

# twisted.web.client is costly to import: only a reporter that sends over HTTP pays for it.

#: A server must take the connection within this time, and answer within the other.
CONNECT_S = 30.0
ANSWER_S = 60.0
#: So much of an answer is kept for the log; of a longer answer than the other no more is read.
_KEPT_BYTES = 1000
_READ_BYTES = 256 * 1024


class Poster:
    """Sends requests; connections are kept open for a while, for the next one.

    :param verify: whether a server's certificate is checked; or the path of a file with the
        certificates of those who may sign it.
    :param cert: path of a file with our certificate and key, or of one for each.
    """

    def __init__(self, reactor: Any, verify: bool | str | None = None, cert: Any = None) -> None:
        from twisted.web.client import Agent, BrowserLikePolicyForHTTPS, HTTPConnectionPool

        policy: Any = BrowserLikePolicyForHTTPS()
        if cert is not None or verify not in (None, True):
            from ci_master.reporters.trust import Policy

            policy = Policy(True if verify is None else verify, cert)
        self._clock = reactor
        self._pool = HTTPConnectionPool(reactor)
        self._agent = Agent(reactor, policy, connectTimeout=CONNECT_S, pool=self._pool)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str]:
        """Status and beginning of the answer.

        :raises TryAgain: if there was none.
        """
        try:
            return await self._post(url, body, headers)
        except CancelledError:
            raise
        except TimeoutError:
            raise TryAgain(f"{url} did not answer within {ANSWER_S:.0f} s") from None
        except Exception as error:
            # Twisted has a dozen of them for names, routes, refusals, TLS and broken answers.
            raise TryAgain(f"{url} cannot be reached: {_words(error)}") from error

    async def _post(self, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str]:
        from twisted.web.client import FileBodyProducer
        from twisted.web.http_headers import Headers

        asked: Deferred[Any] = self._agent.request(
            b"POST",
            url.encode("ascii"),
            Headers({name: [value] for name, value in headers.items()}),
            FileBodyProducer(BytesIO(body)),
        )
        response = await asked.addTimeout(ANSWER_S, self._clock)
        beginning = _Beginning()
        response.deliverBody(beginning)
        await beginning.ended.addTimeout(ANSWER_S, self._clock)
        return response.code, beginning.kept.decode("utf-8", "replace")

    def close(self) -> Deferred[Any]:
        """Close the connections that are kept; fires when they are."""
        closed: Deferred[Any] = self._pool.closeCachedConnections()
        return closed


class _Beginning(Protocol):
    """Takes an answer's body, and keeps its beginning."""

    def __init__(self) -> None:
        self.ended: Deferred[None] = Deferred(lambda _: self._hang_up())
        self.kept = b""
        self._read = 0

    def dataReceived(self, data: bytes) -> None:
        """More of it."""
        self.kept += data[: _KEPT_BYTES - len(self.kept)]
        self._read += len(data)
        if self._read > _READ_BYTES:
            self._hang_up()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """That was all; what is missing then does not matter: the status is known."""
        if not self.ended.called:
            self.ended.callback(None)

    def _hang_up(self) -> None:
        abort = getattr(self.transport, "abortConnection", None)
        if abort is not None:
            abort()


def _words(error: Exception) -> str:
    reasons = getattr(error, "reasons", None)
    if reasons:
        return "; ".join(_words(reason.value) for reason in reasons)
    if isinstance(error, ConnectionAborted):
        return "it hung up"
    return f"{error}" or type(error).__name__
