"""One PB connection, defended against what may come in on an open port."""

from collections import Counter
from typing import Any

from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.internet.protocol import ServerFactory
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.spread import banana, jelly, pb
from zope.interface import implementer

from ci_common.banana import QuickBanana
from ci_common.liveness import innermost, watch_peer
from ci_master.wire.calls import Misuse, readable, text_of
from ci_master.wire.loglimit import LogLimit

#: seconds in which whoever connects must have logged in
LOGIN_S = 30.0

#: bytes accepted before a login; a stock worker needs a few hundred
EARLY_BYTES = 16 * 1024

#: calls that make no sense before a login, after which the connection is closed
EARLY_MISUSES = 5

#: connections of one port that have not logged in: beyond these, the oldest of the address that has
#: most of them is closed. After a restart all workers of a farm come at once.
MOST_STRANGERS = 1000

#: one message: bytes, values, and lists in each other. A block of a file is one string, of 640 KiB
#: at most; the names of many files are many values.
MESSAGE_BYTES = 16 * 1024 * 1024
MESSAGE_VALUES = 200_000
MESSAGE_DEPTH = 500

#: calls of one peer that wait for our answer: beyond these we do not read on
MOST_UNANSWERED = 256

#: what a second worker of a connected name is told; a stock worker ends when it reads this
DUPLICATE = "rejecting duplicate worker"


class PBBroker(QuickBanana, pb.Broker):
    """A connection that must log in soon, say little before, and make sense."""

    log = Logger()
    factory: Any  # the PBFactory that made it
    transport: Any
    logged_in = False
    _heard_at = 0.0
    _early_bytes = 0
    _misuses = 0
    _message_bytes = 0
    most_values = MESSAGE_VALUES
    _unanswered = 0
    _deadline: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """Take part; start to count the time."""
        super().connectionMade()
        watch_peer(self.transport)
        clock = self.factory.clock
        self._heard_at = clock.seconds()
        self._deadline = clock.callLater(LOGIN_S, self._too_late)
        self._reading = _Reading(self.transport)
        # Asked of the socket: TLS lets a producer wait until its handshake was read.
        innermost(self.transport).registerProducer(self._reading, True)
        self.factory.came(self)

    @property
    def heard_at(self) -> float:
        """Clock seconds of the last bytes received; now, while it is us who do not listen."""
        if self._unanswered >= MOST_UNANSWERED:
            self._heard_at = self.factory.clock.seconds()
        return self._heard_at

    # -- bytes

    def dataReceived(self, chunk: bytes) -> None:
        """Take bytes; what makes no sense ends the connection with one line in the log."""
        self._heard_at = self.factory.clock.seconds()
        if not self.logged_in:
            self._early_bytes += len(chunk)
            if self._early_bytes > EARLY_BYTES:
                self.drop("sent too much without logging in")
                return
        self._message_bytes += len(chunk)
        if self._message_bytes > MESSAGE_BYTES:
            self.drop(f"sent a message of more than {MESSAGE_BYTES} bytes")
            return
        try:
            super().dataReceived(chunk)
        except Exception as error:  # whatever a parser says to garbage; our methods answer errors
            self.drop(f"does not speak PB ({type(error).__name__}: {str(error)[:80]})")
        else:
            if len(self.listStack) > MESSAGE_DEPTH:
                self.drop(f"sent more than {MESSAGE_DEPTH} lists in each other")

    def message_complete(self, more: int) -> None:
        """A message is complete; the next one begins with what came after it."""
        super().message_complete(more)
        self._message_bytes = more

    def callExpressionReceived(self, obj: Any) -> None:
        """The first word is the dialect; then come messages."""
        if self.disconnected or self.transport is None:
            return
        if self.currentDialect:
            self.expressionReceived(obj)
        elif isinstance(obj, bytes) and obj in self.knownDialects:
            self._selectDialect(obj)
        else:
            self.drop("speaks no dialect of PB that we know")

    # -- messages

    def _recvMessage(
        self,
        findObjMethod: Any,
        requestID: Any,
        objectID: Any,
        message: Any,
        answerRequired: Any,
        netArgs: Any,
        netKw: Any,
    ) -> None:
        """A call: answer it. One that makes no sense costs a line in the log, not a traceback."""
        try:
            target = findObjMethod(objectID) if isinstance(objectID, bytes | str | int) else None
            if target is None:
                raise Misuse("called an object that is not there")
            result = target.remoteMessageReceived(self, text_of(message), netArgs, netKw)
        except Exception:
            self._sendFailureOrError(Failure(), requestID if answerRequired else None)
            return
        if not isinstance(result, Deferred):
            if answerRequired:
                self._sendAnswer(result, requestID)
            return
        self._wait_for(result)
        asked = requestID if answerRequired else None
        result.addCallbacks(
            self._answer_late, self._sendFailureOrError, callbackArgs=(asked,), errbackArgs=(asked,)
        )
        result.addErrback(self._not_answered)

    def _wait_for(self, result: Deferred[Any]) -> None:
        """Read no more while too many calls wait for our answer."""
        self._unanswered += 1
        if self._unanswered == MOST_UNANSWERED:
            self._reading.hold("calls")

        def answered(value: Any) -> Any:
            self._unanswered -= 1
            if self._unanswered == MOST_UNANSWERED // 2:
                self._reading.go_on("calls")
            return value

        result.addBoth(answered)

    def _answer_late(self, result: Any, asked: Any) -> None:
        if asked is not None and not self.disconnected:
            self._sendAnswer(result, asked)

    def _not_answered(self, failure: Failure) -> None:
        self.log.failure("an answer to {peer} could not be sent", failure, peer=self.peer)

    def _sendFailureOrError(self, fail: Failure, requestID: Any) -> None:
        """Answer an error, and note it as it deserves."""
        if self.disconnected:
            return
        self._note(fail)
        if requestID is not None:
            self._sendError(fail, requestID)

    _sendFailure = _sendFailureOrError

    def _note(self, fail: Failure) -> None:
        if fail.check(Misuse, pb.NoSuchMethod):
            self.complain(f"made a call that makes no sense: {fail.getErrorMessage()[:120]}")
        elif fail.check(pb.RemoteError):
            self.complain(f"answered us with an error: {fail.getErrorMessage()[:120]}")
        elif fail.check(pb.Error, ConnectionLost, ConnectionDone, UnauthorizedLogin) or (
            fail.check(RuntimeError) and str(fail.value) == DUPLICATE
        ):
            return  # where it was raised it was told, if there is something to tell
        elif not self.logged_in:
            kind = fail.type.__name__ if fail.type is not None else "error"
            self.complain(f"made a call that failed ({kind}: {fail.getErrorMessage()[:80]})")
        else:
            self.log.failure("a remote call from {peer} failed", fail, peer=self.peer)

    def complain(self, what: str) -> None:
        """Note nonsense; a stranger who goes on with it is closed."""
        self.factory.complaints.say(f"the connection from {self.peer} {what}")
        if not self.logged_in:
            self._misuses += 1
            if self._misuses >= EARLY_MISUSES and not self.disconnected:
                self.buffer = b""
                self.transport.abortConnection()

    def proto_answer(self, requestID: Any, netResult: Any) -> None:
        """An answer to a call of ours. One that cannot be read is an error of that call."""
        waiting = self._asked(requestID)
        try:
            result = readable(self, netResult)
        except Misuse as error:
            self.complain(f"gave an answer that {error}")
            waiting.errback(Failure(error))
        else:
            waiting.callback(result)

    def _asked(self, requestID: Any) -> Deferred[Any]:
        waiting: Any = self.waitingForAnswers
        if not isinstance(requestID, int) or requestID not in waiting:
            raise banana.BananaError("an answer to nothing that was asked")
        asked: Deferred[Any] = waiting.pop(requestID)
        return asked

    def proto_error(self, requestID: Any, fail: Any) -> None:
        """The error that a call of ours came to."""
        waiting = self._asked(requestID)
        try:
            told = readable(self, fail)
        except Misuse as error:
            self.complain(f"gave an error that {error}")
            waiting.errback(Failure(error))
        else:
            waiting.errback(_clean(told))

    def proto_didNotUnderstand(self, command: Any) -> None:
        """The peer does not know a message of ours; this is what Twisted writes to the log."""
        self.complain(f"did not understand {ascii(command)[:60]}")

    # -- the end

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]  # Twisted has a default
        """The end, for whatever reason."""
        self._stop_deadline()
        self.factory.went(self)
        self.buffer = b""
        super().connectionLost(reason)

    def close(self) -> None:
        """End the connection when what was answered is sent."""
        innermost(self.transport).unregisterProducer()
        self.transport.loseConnection()

    def drop(self, why: str) -> None:
        """Close the connection at once, with a line in the log."""
        if not self.disconnected:
            self.factory.complaints.say(f"closed the connection from {self.peer}: it {why}")
            self.buffer = b""
            self.transport.abortConnection()

    def accepted(self) -> None:
        """The login succeeded: the limits for strangers end."""
        self.logged_in = True
        self.factory.known(self)
        self._stop_deadline()

    @property
    def host(self) -> str:
        """The address it comes from, without a port."""
        address = self.transport.getPeer()
        return str(getattr(address, "host", "") or "")

    @property
    def peer(self) -> str:
        """Where the connection comes from, as text for people."""
        address = self.transport.getPeer()
        host = getattr(address, "host", None)
        return f"{host}:{address.port}" if host else str(address)

    def _too_late(self) -> None:
        self._deadline = None
        self.drop(f"did not log in within {LOGIN_S:.0f} seconds")

    def _stop_deadline(self) -> None:
        deadline, self._deadline = self._deadline, None
        if deadline is not None and deadline.active():
            deadline.cancel()


def _clean(told: Any) -> Failure:
    """An error of the peer's with nothing in it but texts: all of its state came by the wire."""
    state = (
        vars(told) if isinstance(told, pb.CopiedFailure) else {"value": str(type(told).__name__)}
    )
    clean: pb.CopiedFailure = pb.CopiedFailure.__new__(pb.CopiedFailure)
    texts = {name: _text(state.get(name, ""), most) for name, most in _FAILURE_TEXTS.items()}
    clean.setCopyableState(
        {**texts, "parents": [texts["type"]], "tb": None, "frames": [], "stack": [], "pickled": 1}
    )
    return clean


_FAILURE_TEXTS = {"type": 200, "value": 10_000, "traceback": 50_000}


def _text(value: Any, most: int) -> str:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return value[:most] if isinstance(value, str) else type(value).__name__


@implementer(IPushProducer)
class _Reading:
    """Whether we read from a connection.

    Not while its peer takes nothing of what we answer (the transport says so, as to a producer),
    and not while too many of its calls wait for us.
    """

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._reasons: set[str] = set()

    def hold(self, reason: str) -> None:
        """Do not read."""
        if not self._reasons:
            self._transport.pauseProducing()
        self._reasons.add(reason)

    def go_on(self, reason: str) -> None:
        """Read, if nothing else is against it."""
        if self._reasons:
            self._reasons.discard(reason)
            if not self._reasons:
                self._transport.resumeProducing()

    def pauseProducing(self) -> None:
        """Too much waits to be sent."""
        self.hold("answers")

    def resumeProducing(self) -> None:
        """It was sent."""
        self.go_on("answers")

    def stopProducing(self) -> None:
        """The connection is over."""


class PBFactory(ServerFactory):
    """Makes the connections of one port.

    :param make_root: gives the object that a new connection may talk to first.
    """

    noisy = False
    #: read by pb.Broker: peers get no tracebacks of ours
    unsafeTracebacks = False

    def __init__(self, make_root: Any, clock: IReactorTime, complaints: LogLimit) -> None:
        self._make_root = make_root
        self.clock = clock
        self.complaints = complaints
        self.brokers: set[PBBroker] = set()
        #: those that have not logged in, oldest first
        self._strangers: dict[PBBroker, None] = {}
        self._most_strangers = _most_strangers()

    def buildProtocol(self, addr: Any) -> Any:
        """A connection of this port."""
        broker = PBBroker(isClient=False, security=jelly.globalSecurity)
        broker.factory = self
        broker.setNameForLocal("root", self._make_root(broker))
        return broker

    def clientConnectionMade(self, broker: PBBroker) -> None:
        """Called by ``pb.Broker`` after both sides have agreed on a dialect."""

    def came(self, broker: PBBroker) -> None:
        """A new connection. Too many that do not log in push each other out."""
        self.brokers.add(broker)
        self._strangers[broker] = None
        if len(self._strangers) > self._most_strangers:
            counts = Counter(stranger.host for stranger in self._strangers)
            [(host, _)] = counts.most_common(1)
            oldest = next(stranger for stranger in self._strangers if stranger.host == host)
            del self._strangers[oldest]
            oldest.drop(f"and {self._most_strangers} others have not logged in")

    def known(self, broker: PBBroker) -> None:
        """A connection has logged in."""
        self._strangers.pop(broker, None)

    def went(self, broker: PBBroker) -> None:
        """A connection is over."""
        self.brokers.discard(broker)
        self._strangers.pop(broker, None)


def _most_strangers() -> int:
    """How many may be there at once: half of the files that this process may open at most."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return MOST_STRANGERS
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_STRANGERS if soft == resource.RLIM_INFINITY else min(MOST_STRANGERS, soft // 2)
