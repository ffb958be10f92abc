"""The sockets that a process listens on. They are apart from those who serve them.

So a socket can be taken before there is anything to serve, given to somebody else while it is open,
and served with another certificate, and no connection is closed by any of that.
"""

import hashlib
import os
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress, IListeningPort, IProtocolFactory
from twisted.internet.protocol import Factory, ServerFactory
from twisted.logger import Logger
from twisted.python.failure import Failure

from ci_common.aio import to_deferred
from ci_common.endpoints import Endpoint, end_of_certificate, endpoint

#: Which socket it is: kind, address, number. Equal keys are one socket.
Key = tuple[Any, ...]


class Listening:
    """One that serves a socket, until it stops. Of those who do at once, the last one is served."""

    def __init__(self, socket: "_Socket", text: str, serving: "_Serving") -> None:
        self._socket = socket
        self.text = text
        self.serving = serving

    def getHost(self) -> IAddress:
        """Where it listens."""
        return self._socket.get_host()

    def stopListening(self) -> Deferred[None]:
        """Serve no more. The socket is closed if nobody else serves it; connections stay."""
        return to_deferred(self._socket.remove(self))


@dataclass(frozen=True)
class _Serving:
    """How the connections of a socket are made.

    :ivar inner: who serves, without TLS and the like.
    :ivar factory: the same with all that the endpoint's text asks for.
    :ivar files: the digest of the files that the text names: keys and certificates.
    """

    endpoint: Endpoint
    inner: IProtocolFactory
    factory: IProtocolFactory
    files: str
    key: Key
    listen: Callable[[IProtocolFactory], Awaitable[IListeningPort]]
    backlog: int | None = None
    #: makes ``factory`` of another ``inner``, with the same certificate
    wrap: Callable[[IProtocolFactory], IProtocolFactory] | None = None

    @property
    def name(self) -> str:
        """The text, without what does not matter for who connects."""
        arguments = {k: v for k, v in self.endpoint.arguments.items() if k != "backlog"}
        return str(replace(self.endpoint, arguments=arguments))


@dataclass(frozen=True)
class Renewal:
    """A certificate that was renewed: what is served with it, and what it was served with."""

    listening: Listening
    former: _Serving
    new: _Serving

    def use(self) -> None:
        """New connections get the new certificate; those that are there stay."""
        self.listening._socket.serve(self.listening, self.new)

    def undo(self) -> None:
        """New connections get the former certificate again."""
        self.listening._socket.serve(self.listening, self.former)

    def describe(self) -> str:
        """One line for the log."""
        end = end_of_certificate(self.new.endpoint)
        until = f", good until {end:%Y-%m-%d %H:%M} UTC" if isinstance(end, datetime) else ""
        return f"the certificate of {self.new.endpoint.port} was renewed{until}"


class Reservation:
    """Sockets that were taken for what is to be served soon; see :meth:`Listeners.reserve`."""

    def __init__(self) -> None:
        self._held: list[_Socket] = []
        self._moved: list[_Socket] = []
        #: Certificates that were renewed since they were read.
        self.renewals: list[Renewal] = []

    async def release(self) -> None:
        """What is served by now stays open; the rest is closed, and what made room comes back.

        :raises CannotListenError: if somebody else has taken that meanwhile.
        """
        held, self._held = self._held, []
        for socket in held:
            await socket.let_go()
        moved, self._moved = self._moved, []
        for socket in moved:
            await socket.come_back()


class Listeners:
    """All sockets of a process that others connect to.

    :param reactor: what listens.
    :param directory: where file names in endpoints start that are not whole.
    """

    def __init__(self, reactor: Any, directory: str | Path = ".") -> None:
        self._reactor = reactor
        self.directory = str(directory)
        self._sockets: dict[Key, _Socket] = {}
        self._free_ones = 0

    def is_same(self, one: int | str, other: int | str) -> bool:
        """Whether two texts mean the same socket, if served in different ways."""
        return self._key(one) == self._key(other)

    def _key(self, text: int | str) -> Key:
        """Which socket a text means, found without reading a file."""
        found = endpoint(text).seen_from(self.directory)
        if found.kind == "unix":
            return "unix", found.arguments["address"]
        if found.kind in ("tcp", "tcp6", "ssl", "tls"):
            return "tcp", found.port, found.interface
        return (str(found),)

    async def reserve(self, texts: Iterable[str]) -> Reservation:
        """Take the sockets that these texts mean and that are not open yet; nothing is served.

        Who connects meanwhile waits. A socket of our own that is in the way, as one of another
        address and the same number, makes room if it is not among those wanted.

        Certificates of sockets that are served already are read again.

        :raises CannotReserve: with each text that could not be had; then nothing is taken.
        """
        reservation = Reservation()
        try:
            refused: list[CannotReserve] = []
            wanted = []
            for text in dict.fromkeys(texts):
                try:
                    wanted.append((text, self._read(text)))
                except CannotReserve as error:
                    refused.append(error)
            keys = {serving.key for _, serving in wanted}
            for text, serving in wanted:
                try:
                    await self._hold(text, serving, keys, reservation)
                except CannotReserve as error:
                    refused.append(error)
            if refused:
                first, *first.others = refused
                raise first
            # What is served now may have to be served again, so it is not closed meanwhile.
            for socket in self._sockets.values():
                socket.hold()
                reservation._held.append(socket)
            reservation.renewals = [
                renewal for text, _ in wanted for renewal in self._renewals(text)
            ]
        except BaseException:
            await reservation.release()
            raise
        return reservation

    async def listen(self, text: int | str, factory: IProtocolFactory) -> Listening:
        """Serve a socket, which is opened for it unless it is open.

        :raises CannotListenError: if it cannot be had.
        """
        serving = self._serving_again(text, factory)
        key = serving.key
        if serving.endpoint.port == 0:
            self._free_ones += 1
            key = (*key, self._free_ones)
        socket = self._sockets.get(key)
        if socket is None:
            socket = await self._open(key, serving)
        listening = Listening(socket, str(text), serving)
        socket.add(listening)
        return listening

    def _serving_again(self, text: int | str, factory: IProtocolFactory) -> _Serving:
        """As :meth:`_serving`; for one that was served until now, its files may have gone."""
        try:
            return self._serving(text, factory)
        except Exception:
            for socket in self._sockets.values():
                former = socket.served_before.get(str(text))
                if former is not None and former.wrap is not None:
                    return replace(former, inner=factory, factory=former.wrap(factory))
            raise

    # -- sockets

    def _read(self, text: str) -> _Serving:
        try:
            return self._serving(text, _Nobody())
        except Exception as error:
            raise CannotReserve(text, error) from error

    async def _hold(
        self, text: str, serving: _Serving, wanted: set[Key], reservation: Reservation
    ) -> None:
        if serving.endpoint.port == 0:
            return  # any free one: it is taken when it is served
        socket = self._sockets.get(serving.key)
        if socket is None:
            socket = await self._take(text, serving, wanted, reservation)
        socket.hold()
        reservation._held.append(socket)

    async def _take(
        self, text: str, serving: _Serving, wanted: set[Key], reservation: Reservation
    ) -> "_Socket":
        try:
            return await self._open(serving.key, serving)
        except CannotListenError as error:
            in_the_way = [
                one for one in self._sockets.values() if one.is_open and one.overlaps(serving.key)
            ]
            if not in_the_way or any(one.key in wanted for one in in_the_way):
                raise CannotReserve(text, error) from error
        for socket in in_the_way:
            reservation._moved.append(socket)
            await socket.make_room()
        try:
            return await self._open(serving.key, serving)
        except CannotListenError as error:
            raise CannotReserve(text, error) from error

    async def _open(self, key: Key, serving: _Serving) -> "_Socket":
        socket = _Socket(key, serving.listen, self._forget)
        await socket.open()
        self._sockets[key] = socket
        return socket

    def _forget(self, socket: "_Socket") -> None:
        if self._sockets.get(socket.key) is socket:
            del self._sockets[socket.key]

    def _renewals(self, text: str) -> list[Renewal]:
        found = []
        name = self._read(text).name
        for socket in self._sockets.values():
            for listening in socket.served_by:
                former = listening.serving
                if not former.endpoint.files() or former.name != name:
                    continue
                try:
                    new = self._serving(listening.text, former.inner)
                except Exception as error:
                    raise CannotReserve(text, error) from error
                if new.files != former.files:
                    found.append(Renewal(listening, former, new))
        return found

    # -- texts

    def _serving(self, text: int | str, factory: IProtocolFactory) -> _Serving:
        """What a text asks for: found by letting Twisted listen where nothing can listen."""
        from twisted.internet.endpoints import serverFromString  # not before TLS may be left out

        found = endpoint(text).seen_from(self.directory)
        files = _digest(found)
        if found.kind not in ("tcp", "tcp6", "ssl", "tls", "unix"):
            # A kind that others bring: it listens by itself, and its socket is known by its text.
            whole = serverFromString(self._reactor, str(found))
            return _Serving(found, factory, factory, files, (str(found),), whole.listen)
        recorder = _Recorder(self._reactor)
        failures: list[Failure] = []
        endpoint_of_twisted = serverFromString(recorder, str(found))
        endpoint_of_twisted.listen(factory).addErrback(failures.append)
        if failures:
            failures[0].raiseException()
        key, asked, listen, backlog = recorder.asked
        return _Serving(found, factory, asked, files, key, listen, backlog, recorder.wrap)


class CannotReserve(Exception):
    """A socket cannot be had.

    :ivar text: what asked for it.
    :ivar reason: what was raised: ``CannotListenError``, ``OSError``, ...
    :ivar others: the same of further sockets that were wanted with it.
    """

    def __init__(self, text: str, reason: Exception) -> None:
        super().__init__(f"{text}: {reason}")
        self.text = text
        self.reason = reason
        self.others: list[CannotReserve] = []


class _Socket:
    """One socket, and those who serve it."""

    log = Logger()

    def __init__(
        self,
        key: Key,
        listen: Callable[[IProtocolFactory], Any],
        forget: Callable[["_Socket"], None],
    ) -> None:
        self.key = key
        self.served_by: list[Listening] = []
        #: Text -> how it was served, of those who stopped while the socket stayed open.
        self.served_before: dict[str, _Serving] = {}
        self._listen = listen
        self._forget = forget
        self._switch = _Switch()
        self._port: Any = None  # IListeningPort
        self._host: Any = None
        self._holds = 0
        self._accepts = True

    @property
    def is_open(self) -> bool:
        return self._port is not None

    def get_host(self) -> IAddress:
        if self._port is not None:
            self._host = self._port.getHost()
        host: IAddress = self._host
        return host

    def overlaps(self, key: Key) -> bool:
        """Whether both cannot be open at once: one number, or one file."""
        if self.key[:1] != key[:1]:
            return False
        if key[0] == "unix":
            return bool(self.key[1] == key[1])
        return key[0] == "tcp" and bool(self.key[1] == key[1])

    async def open(self) -> None:
        self._port = await to_deferred(maybeDeferred(self._listen, self._switch))
        self._accepts = True
        self._adapt()

    def hold(self) -> None:
        self._holds += 1

    async def let_go(self) -> None:
        self._holds -= 1
        if not self._holds:
            self.served_before.clear()
        await self._close_if_unused()

    def add(self, listening: Listening) -> None:
        self.served_by.append(listening)
        self._adapt()

    def serve(self, listening: Listening, serving: _Serving) -> None:
        listening.serving = serving
        self._adapt()

    async def remove(self, listening: Listening) -> None:
        if listening in self.served_by:
            self.served_by.remove(listening)
            self.served_before[listening.text] = listening.serving
            self._adapt()
            await self._close_if_unused()

    async def make_room(self) -> None:
        """Be closed for a while, though it is served."""
        self.get_host()
        port, self._port = self._port, None
        await maybeDeferred(port.stopListening)

    async def come_back(self) -> None:
        """Be open again, if it is still served."""
        if self._port is None and (self.served_by or self._holds):
            await self.open()

    async def _close_if_unused(self) -> None:
        if self.served_by or self._holds > 0:
            return
        self._forget(self)
        port, self._port = self._port, None
        if port is not None:
            await maybeDeferred(port.stopListening)

    def _adapt(self) -> None:
        """Let the last of those who serve have the connections; if there is none, they wait."""
        serving = self.served_by[-1].serving if self.served_by else None
        self._switch.turn_to(serving.factory if serving else None)
        if self._port is None:
            return
        if serving is not None and serving.backlog is not None:
            self._widen(serving.backlog)
        if self._accepts != (serving is not None):
            self._accepts = serving is not None
            turn = getattr(self._port, "startReading" if self._accepts else "stopReading", None)
            if turn is not None:
                turn()

    def _widen(self, backlog: int) -> None:
        raw = getattr(self._port, "socket", None)
        if raw is not None and getattr(self._port, "backlog", backlog) != backlog:
            raw.listen(backlog)
            self._port.backlog = backlog


class _Switch(Factory):
    """The factory of a socket: it asks whoever serves the socket at the moment."""

    noisy = False

    def __init__(self) -> None:
        self._target: Any = None
        self._listens = False

    def turn_to(self, target: IProtocolFactory | None) -> None:
        """Ask this one from now on."""
        former, self._target = self._target, target
        if former is target:
            return
        if self._listens:
            # The new one first: both may lead to the same server, which is to run on.
            if target is not None:
                target.doStart()
            if former is not None:
                former.doStop()

    def startFactory(self) -> None:
        self._listens = True
        if self._target is not None:
            self._target.doStart()

    def stopFactory(self) -> None:
        self._listens = False
        if self._target is not None:
            self._target.doStop()

    def buildProtocol(self, addr: Any) -> Any:
        return None if self._target is None else self._target.buildProtocol(addr)

    def logPrefix(self) -> str:
        prefix = getattr(self._target, "logPrefix", None)
        return str(prefix()) if prefix is not None else type(self._target or self).__name__


class _Nobody(ServerFactory):
    """Serves nobody: only what it would be made into is looked at."""

    noisy = False

    def buildProtocol(self, addr: Any) -> None:
        return None


class _Recorder:
    """A reactor that does not listen, and tells how it was asked to."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self.asked: tuple[Key, Any, Callable[[Any], Any], int | None]
        self.wrap: Callable[[Any], Any] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    def listenTCP(self, port: int, factory: Any, backlog: int = 50, interface: str = "") -> Any:
        def listen(switch: Any) -> Any:
            return self._reactor.listenTCP(port, switch, backlog=backlog, interface=interface)

        self.asked = ("tcp", port, interface), factory, listen, backlog
        return None

    def listenSSL(
        self,
        port: int,
        factory: Any,
        contextFactory: Any,
        backlog: int = 50,
        interface: str = "",
    ) -> Any:
        from twisted.protocols.tls import TLSMemoryBIOFactory

        contextFactory.getContext()  # raises if the key does not fit the certificate
        self.wrap = partial(TLSMemoryBIOFactory, contextFactory, False)
        return self.listenTCP(port, self.wrap(factory), backlog, interface)

    def listenUNIX(
        self, address: str, factory: Any, backlog: int = 50, mode: int = 0o666, wantPID: Any = 0
    ) -> Any:
        listen = partial(
            self._reactor.listenUNIX, address, backlog=backlog, mode=mode, wantPID=wantPID
        )
        self.asked = ("unix", address, mode, bool(wantPID)), factory, listen, backlog
        return None


def _digest(found: Endpoint) -> str:
    """Of the files that an endpoint names."""
    digest = hashlib.sha256()
    for name, path in sorted(found.files().items()):
        digest.update(f"{name}\0{os.path.abspath(path)}\0".encode())
        digest.update(Path(path).read_bytes())
    return digest.hexdigest() if found.files() else ""
