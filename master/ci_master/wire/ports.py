"""The ports on which PB users log in: opened for the first user, closed after the last."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.error import CannotListenError
from twisted.logger import Logger

from ci_common.aio import spawn, to_deferred
from ci_common.endpoints import canonical
from ci_common.listeners import Listeners, Listening
from ci_common.transition import Transition
from ci_master.wire.broker import PBBroker, PBFactory
from ci_master.wire.login import Door, LoginRoot, PerspectiveFactory, User
from ci_master.wire.loglimit import LogLimit

if TYPE_CHECKING:
    from ci_master.workers.slot import WorkerSlot

#: connections that may wait to be accepted: after a restart all workers come at once
BACKLOG = 4096

_TAKES_BACKLOG = ("tcp:", "tcp6:", "ssl:", "unix:")


class Registration:
    """One user's right to log in on one port."""

    def __init__(self, port: "_Port", user: User) -> None:
        self._port = port
        self._user = user

    @property
    def username(self) -> str:
        """Whose it is."""
        return self._user.name

    @property
    def password(self) -> Any:
        """What logins need: a string, or a renderable."""
        return self._user.password

    def change_password(self, password: Any) -> None:
        """From now on logins need this one; who is connected stays."""
        self._user.password = password

    def opened(self) -> Deferred[None]:
        """Fires when the port listens; fails with CannotListenError if it cannot."""
        return to_deferred(self._port.settled())

    def unregister(self) -> Deferred[None]:
        """Take the right back. Fires when the port, if this was its last user, is closed."""
        return to_deferred(self._port.remove(self._user))


class PBPorts:
    """All PB ports of a master, by their port strings.

    :param reactor: for listening and for timers.
    :param render: renders a password that is a renderable.
    :param listeners: the sockets of this process.
    """

    def __init__(
        self,
        reactor: Any,
        render: Callable[[Any], Awaitable[Any]],
        listeners: Listeners | None = None,
    ) -> None:
        self._reactor = reactor
        self._render = render
        self._listeners = listeners or Listeners(reactor)
        self._ports: dict[str, _Port] = {}

    def register(
        self,
        portstr: int | str,
        username: str,
        password: Any,
        perspective_factory: PerspectiveFactory,
    ) -> Registration:
        """Let a user log in.

        :param portstr: a number, digits, or a Twisted server string such as
            ``tcp:9989:interface=127.0.0.1``. Equal strings share a port.
        :param password: a string, or a renderable that is rendered at each login.
        :param perspective_factory: see :data:`~ci_master.wire.login.PerspectiveFactory`.
        :raises KeyError: if the user is already registered on that port.
        :raises ValueError: if the string is none that Twisted understands.
        """
        name = strport(portstr)
        port = self._ports.get(name)
        if port is None:
            port = self._ports[name] = _Port(name, self._reactor, self._render, self._listeners)
        return Registration(port, port.add(User(username, password, perspective_factory)))

    def register_worker(
        self, portstr: int | str, password: Any, slot: "WorkerSlot"
    ) -> Registration:
        """Let a worker log in; its connection becomes the session of ``slot``."""
        from ci_master.wire.gate import WorkerGate

        return self.register(portstr, slot.name, password, WorkerGate(slot, self._reactor).enter)

    def is_same(self, one: int | str, other: int | str) -> bool:
        """Whether two port strings mean the same socket, if with different certificates."""
        return self._listeners.is_same(strport(one), strport(other))

    async def rename(self, former: int | str, new: int | str, change: Transition) -> None:
        """Serve a port by another string that means the same socket; connections stay.

        :raises CannotListenError: if that cannot be; then it is served as before.
        """
        old_name, new_name = strport(former), strport(new)
        port = self._ports.get(old_name)
        if port is None or old_name == new_name:
            return

        def put_back() -> None:
            del self._ports[new_name]
            self._ports[old_name] = port

        await port.rename(new_name, change)
        change.undo_by(f"the port '{old_name}'", put_back)
        del self._ports[old_name]
        self._ports[new_name] = port

    async def opened(self) -> None:
        """Wait until all ports that are in use listen.

        :raises CannotListenError: if one of them cannot.
        """
        for port in list(self._ports.values()):
            await port.settled()

    def port_number(self, portstr: int | str) -> int | None:
        """The number of the TCP port that is listened on, None if it is not open."""
        port = self._ports.get(strport(portstr))
        return port.number if port is not None else None


def strport(portstr: int | str) -> str:
    """A port as people write it, as a Twisted server string; equal for equal ports."""
    return canonical(portstr)


class _Port:
    """One listening port and its users."""

    log = Logger()

    def __init__(
        self,
        name: str,
        reactor: Any,
        render: Callable[[Any], Awaitable[Any]],
        listeners: Listeners,
    ) -> None:
        self.name = name
        self._listeners = listeners
        self.users: dict[str, User] = {}
        self._failure: CannotListenError | None = None
        self._listening: Listening | None = None
        self._one_change = DeferredLock()
        complaints = LogLimit(reactor, lambda line: self.log.warn("{line}", line=line))
        door = Door(self.users, render, complaints.say)

        def make_root(broker: PBBroker) -> LoginRoot:
            return LoginRoot(door, broker)

        self._factory = PBFactory(make_root, reactor, complaints)

    @property
    def number(self) -> int | None:
        """The number of the TCP port, if it listens."""
        address = self._listening.getHost() if self._listening is not None else None
        return getattr(address, "port", None)

    def add(self, user: User) -> User:
        """Let a user in."""
        if user.name in self.users:
            raise KeyError(f"user name '{user.name}' is already registered on port '{self.name}'")
        self.users[user.name] = user
        if len(self.users) == 1:
            spawn(self._adapt(), self.log, f"opening port '{self.name}'")
        return user

    async def remove(self, user: User) -> None:
        """Let a user in no more."""
        if self.users.get(user.name) is user:
            del self.users[user.name]
            if not self.users:
                await self._adapt()

    async def settled(self) -> None:
        """Wait until the port is as it should be."""
        await self._adapt()
        if self._failure is not None:
            raise self._failure

    async def rename(self, name: str, change: Transition) -> None:
        """Listen by another string that means the same socket."""
        async with self._one_change:
            before = self.name, self._listening
            if self._listening is not None:
                new = await self._listeners.listen(_full(name), self._factory)
                change.undo_by(f"the port '{self.name}'", new.stopListening)
                change.finally_do(f"the port '{self.name}'", self._listening.stopListening)
                self._listening = new
            change.undo_by(f"the port '{self.name}'", lambda: self._be(*before))
            self.name = name

    def _be(self, name: str, listening: Listening | None) -> None:
        self.name, self._listening = name, listening

    async def _adapt(self) -> None:
        """Listen if there are users, else do not. May be called at any time."""
        async with self._one_change:
            if self.users and self._listening is None:
                await self._open()
            elif not self.users:
                self._failure = None
                if self._listening is None:
                    return
                listening, self._listening = self._listening, None
                await listening.stopListening()
                self._factory.complaints.close()
                for broker in list(self._factory.brokers):
                    broker.close()

    async def _open(self) -> None:
        try:
            self._listening = await self._listeners.listen(_full(self.name), self._factory)
        except CannotListenError as error:
            self._failure = error
            self.log.error("cannot listen on '{name}': {error}", name=self.name, error=error)
        else:
            self._failure = None


def _full(name: str) -> str:
    takes = name.startswith(_TAKES_BACKLOG) and "backlog=" not in name
    return f"{name}:backlog={BACKLOG}" if takes else name
