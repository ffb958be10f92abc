"""Logging in over PB: a name, a challenge, and what the user may talk to afterwards."""

import hmac
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.spread import pb

from ci_common.aio import call_override, to_deferred
from ci_master.wire.broker import PBBroker
from ci_master.wire.calls import Callee, PerspectiveCallee, text_of

#: (mind, user name) -> perspective, or an awaitable of it. The perspective has ``perspective_*``
#: methods; its ``detached(mind)``, if it has one, is called when the connection is lost.
PerspectiveFactory = Callable[[Any, str], Any]


@dataclass(eq=False)
class User:
    """Somebody who may log in on one port."""

    name: str
    #: a str, or a renderable: rendered at each login
    password: Any
    perspective_factory: PerspectiveFactory


@dataclass(frozen=True)
class Door:
    """What a login needs of its port."""

    users: Mapping[str, User]
    render: Callable[[Any], Awaitable[Any]]
    complain: Callable[[str], None]


class LoginRoot(Callee):
    """What a new connection may talk to."""

    def __init__(self, door: Door, broker: PBBroker) -> None:
        self._door = door
        self._broker = broker

    def remote_login(self, username: bytes | str) -> tuple[bytes, "Challenger"]:
        """Begin a login: a challenge, and whom to send the response to."""
        name = text_of(username)
        challenge = os.urandom(16)
        return challenge, Challenger(self._door, self._broker, name, challenge)

    def remote_loginAnonymous(self, mind: Any) -> None:
        """Nobody without a name comes in."""
        self._door.complain(f"refused an anonymous login from {self._broker.peer}")
        raise pb.Error("anonymous logins are not allowed")


class Challenger(Callee):
    """Takes the response to one challenge."""

    def __init__(self, door: Door, broker: PBBroker, username: str, challenge: bytes) -> None:
        self._door = door
        self._broker = broker
        self._username = username
        self._challenge: bytes | None = challenge

    def remote_respond(self, response: bytes, mind: Any) -> Deferred[Any]:
        """Check the response, and give the perspective."""
        return to_deferred(self._respond(response, mind))

    async def _respond(self, response: Any, mind: Any) -> Any:
        challenge, self._challenge = self._challenge, None
        user = self._door.users.get(self._username)
        if challenge is None or not await self._is_right(user, challenge, response):
            which = "wrong password" if user else "unknown user"
            shown = self._username[:60]
            self._door.complain(f"refused the login of {shown!r} from {self._broker.peer}: {which}")
            raise UnauthorizedLogin()
        assert user is not None
        broker = self._broker
        if broker.disconnected:
            raise ConnectionLost()
        broker.accepted()
        perspective = await call_override(user.perspective_factory, mind, user.name)
        detached = getattr(perspective, "detached", None)
        if broker.disconnected:
            if detached is not None:
                detached(mind)
            raise ConnectionLost()
        if detached is not None:
            broker.notifyOnDisconnect(lambda: detached(mind))
        return PerspectiveCallee(perspective)

    async def _is_right(self, user: User | None, challenge: bytes, response: Any) -> bool:
        """Compare in constant time; unknown users take the same way as known ones."""
        password = await self._door.render(user.password) if user is not None else ""
        secret = password if isinstance(password, bytes) else str(password).encode()
        expected = pb.respond(challenge, secret)
        given = response if isinstance(response, bytes) else b""
        return hmac.compare_digest(expected, given) and user is not None
