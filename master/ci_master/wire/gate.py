"""Where a worker comes in: one connection per name, introduced before it gets work."""

from typing import Any

from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import DeferredLock, TimeoutError
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.spread import pb

from ci_common.aio import spawn
from ci_master.wire.broker import DUPLICATE
from ci_master.wire.session import PBSession
from ci_master.workers.slot import WorkerSlot


class WorkerGate:
    """Makes sessions of one worker's logins."""

    log = Logger()

    def __init__(self, slot: WorkerSlot, clock: IReactorTime) -> None:
        self._slot = slot
        self._clock = clock
        self._one_login = DeferredLock()

    async def enter(self, mind: Any, username: str) -> "WorkerPerspective":
        """Attach a worker that has just logged in.

        :raises UnauthorizedLogin: if it is something else that knows the password.
        :raises RuntimeError: if one of that name is connected, and alive.
        :raises ConnectionLost: if the new connection broke, or did not answer.
        """
        if not isinstance(mind, pb.RemoteReference):
            self.log.warn("refused the login of {name}: it is no worker", name=self._slot.name)
            raise UnauthorizedLogin("this user name belongs to a worker")
        peer = mind.broker.peer
        async with self._one_login:
            await self._arbitrate(peer)
            session = PBSession(mind, username, self._clock)
            try:
                await session.introduce()
                await self._slot.attach(session)
            except (ConnectionLost, TimeoutError) as error:
                session.close()
                self.log.warn(
                    "worker {name} from {peer} was lost while it attached", name=username, peer=peer
                )
                raise ConnectionLost() from error
            except BaseException:
                session.close()
                raise
        return WorkerPerspective(self._slot)

    async def _arbitrate(self, peer: str) -> None:
        old = self._slot.session
        if not isinstance(old, PBSession) or old.lost:
            return
        if await old.is_alive() and not old.lost:
            self.log.warn(
                "refused a second worker {name} from {peer}: the first one is alive",
                name=self._slot.name,
                peer=peer,
            )
            raise RuntimeError(DUPLICATE)
        old.close()
        self._slot.detach(old)


class WorkerPerspective(pb.Avatar):
    """What a worker may ask of the master."""

    def __init__(self, slot: WorkerSlot) -> None:
        self._slot = slot

    def perspective_keepalive(self) -> None:
        """Nothing but traffic."""

    def perspective_shutdown(self) -> None:
        """The worker wants to go once its builds have ended."""
        leaving = self._slot.ask_to_leave()
        spawn(leaving, WorkerGate.log, f"letting worker {self._slot.name} go")
