"""One worker at run time: whether it is here, what it may do, and what it is doing."""

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from automat import NoTransition
from twisted.internet.defer import Deferred, DeferredLock, TimeoutError
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from ci_common.aio import spawn
from ci_master.data.model import WaitReason, WorkerRow
from ci_master.workers.absence import Absence
from ci_master.workers.config import AbstractWorker
from ci_master.workers.keepalive import Keepalive
from ci_master.workers.presence import PresenceEffects, new_presence
from ci_master.workers.quarantine import Quarantine
from ci_master.workers.seats import Seat, Seats
from ci_master.workers.session import Session

#: Seconds after which a worker that could not take its list of builders is told it again.
LIST_RETRY_S = 30.0

#: Seconds for which a worker may go on with a command that was given up.
LEFT_S = 60.0


@dataclass(frozen=True)
class SlotContext:
    """What a slot works with."""

    data: Any
    clock: IReactorTime
    #: (slot, builder name): it may have become free for that builder; None: for any of its own
    changed: Callable[["WorkerSlot", str | None], None]
    #: (slot): it has been away for its missing_timeout
    missing: Callable[["WorkerSlot"], None]


def clock_time(at: float) -> str:
    """A moment as people read it on the master's clock."""
    return time.strftime("%H:%M:%S", time.localtime(at))


class WorkerSlot:
    """The state of one configured worker."""

    log = Logger()

    def __init__(self, config: AbstractWorker, row: WorkerRow, context: SlotContext) -> None:
        self.config = config
        self.row = row
        self.session: Session | None = None
        self._greeting: Session | None = None
        #: builder name -> directory on the worker
        self.builders: dict[str, str] = {}
        self.places = Seats()
        #: the builds themselves, once they have begun; kept by whoever runs them
        self.running: set[Any] = set()
        #: counts what changed but for its seats: connection, builders, what people said of it
        self.revision = 0
        self._context = context
        self._quarantine = Quarantine(context.clock, self._released)
        self._presence = new_presence(PresenceEffects(self._arrived, self._departed))
        self._keepalive: Keepalive | None = None
        self._absence = Absence(context.clock, lambda: context.missing(self))
        self._builders_told: dict[str, str] | None = None
        self._one_list = DeferredLock()
        self._list_retry: IDelayedCall | None = None
        self._left_timer: IDelayedCall | None = None
        self._closed = False
        self._sent_home = False

    def __repr__(self) -> str:
        return f"<WorkerSlot {self.name!r}>"

    @property
    def name(self) -> str:
        """The worker's name."""
        return self.row.name

    @property
    def workername(self) -> str:
        """The worker's name, for users' code."""
        return self.row.name

    @property
    def connected(self) -> bool:
        """Whether it has a session that may get builds."""
        return self.session is not None

    @property
    def paused(self) -> bool:
        """Whether somebody paused it."""
        return self.row.paused

    @property
    def graceful(self) -> bool:
        """Whether it will leave once its builds have ended."""
        return self.row.graceful

    @property
    def seats(self) -> dict[str, Seat]:
        """Builder name -> the seat of its build."""
        return self.places.by_builder

    @property
    def max_builds(self) -> int | None:
        """How many builds it may run at once; None = one of each builder."""
        return self.config.max_builds

    @property
    def quarantined_until(self) -> float | None:
        """Unix seconds until which it gets no work; None if it may get some."""
        return self._quarantine.until

    @property
    def full(self) -> bool:
        """Whether it runs as many builds as it may."""
        return self.max_builds is not None and self.places.used >= self.max_builds

    @property
    def open(self) -> bool:
        """Whether it could take a build, of a builder that it does not run already."""
        return (
            self.session is not None
            and not self.row.paused
            and not self.row.graceful
            and self._quarantine.until is None
            and not self.full
        )

    @property
    def last_seen(self) -> str:
        """When it was here the last time, as text for people."""
        at = self.row.last_seen_at
        return f"last seen {clock_time(at)}" if at else "never seen"

    def why_not(self, kin: Collection[Seat] = ()) -> WaitReason | None:
        """Why it takes no build at all just now; None if it does.

        :param kin: the seats of the builds that wait for the build in question: it may use their
            places. Then it begins, too, where the worker is to leave once its builds have ended:
            one of them needs this one.
        """
        link = (self.name, f"/workers/{self.row.id}")
        if self.session is None:
            text = f"{self.name} is not online ({self.last_seen})"
            return WaitReason("offline", text, (link,))
        lender = self.places.lender_among(kin) if kin else None
        if self.row.graceful and lender is None:
            return WaitReason("stopping", f"{self.name} is shutting down", (link,))
        if self.row.paused:
            why = f': "{self.row.pause_reason}"' if self.row.pause_reason else ""
            return WaitReason("paused", f"{self.name} is paused{why}", (link,))
        until = self._quarantine.until
        if until is not None:
            text = f"{self.name} is quarantined until {clock_time(until)}, for its last build broke"
            return WaitReason("quarantined", text, (link,))
        if self.full and lender is None:
            doing = ", ".join(sorted(self.seats))
            return WaitReason("busy", f"{self.name} is busy with {doing}", (link,))
        return None

    # -- seats

    def take(self, builder_name: str, requests: list[Any], lender: Seat | None = None) -> Seat:
        """Take a place for a build. The caller has seen that it is free.

        :param lender: the seat whose place the build uses, see :meth:`lending`.
        """
        seat = Seat(self, builder_name, requests, self._context.clock.seconds())
        self.places.add(seat, lender)
        return seat

    @contextmanager
    def lending(self, requests: Collection[Any]) -> Iterator[None]:
        """For as long as this holds, the build of these requests does nothing but wait for others.

        Those may use its place meanwhile, and its builder's place on this worker.
        """
        seat = self.places.of(requests)
        if seat is None:
            yield
            return
        self._wait(seat, 1)
        try:
            yield
        finally:
            if seat in self.places:
                self._wait(seat, -1)

    def _wait(self, seat: Seat, change: int) -> None:
        self.places.wait(seat, change)
        self._context.changed(self, None)

    def give_back(self, seat: Seat) -> None:
        """The build has ended, or never began. Harmless the second time."""
        if seat not in self.places:
            return
        if seat.left_behind:
            seat.given_back = True  # free when the worker has ended what was given up
            self._wait_for_the_left()
            return
        was_full = self.full
        self.places.remove(seat)
        if self._builders_told is not None and self._builders_wanted() != self._builders_told:
            self._tell_builders()  # its builder was taken away, or moved, under the build
        if self.row.graceful and not self.seats:
            self._leave()
        self._context.changed(self, None if was_full else seat.builder_name)

    def leave_behind(
        self, builder_name: str, over: Deferred[None], requests: Collection[Any] = ()
    ) -> None:
        """A command was given up that the worker may still run: nothing else may take its place.

        :param over: fires when it has ended, or the connection is lost.
        :param requests: those of the build, which tell it from another one of its builder.
        """
        seat = self.places.of(requests) or self.seats.get(builder_name)
        if seat is not None:
            seat.left_behind += 1
            over.addBoth(self._left_has_ended, seat)

    def _left_has_ended(self, _: object, seat: Seat) -> None:
        seat.left_behind -= 1
        if seat.given_back:
            self.give_back(seat)

    def _wait_for_the_left(self) -> None:
        if self._left_timer is None and not self._closed:
            self._left_timer = self._context.clock.callLater(LEFT_S, self._end_the_left)

    def _end_the_left(self) -> None:
        """What is left behind does not end: end it with the connection, once that harms nobody."""
        self._left_timer = None
        left = [seat for seat in self.places if seat.given_back]
        if not left or self.session is None:
            return
        if len(left) < len(self.places):
            self._wait_for_the_left()
            return
        self.log.warn(
            "worker {name} does not end commands of {builders}; closing its connection",
            name=self.name,
            builders=", ".join(seat.builder_name for seat in left),
        )
        self.session.close()

    # -- health

    def quarantine(self) -> None:
        """Give it no work for a while, each time for longer."""
        if self._quarantine.until is None and not self._closed:
            self._quarantine.begin()
            why = "its last build broke"
            self._context.data.workers.note_quarantine(self.row, True, why)
            self._tell()

    def reset_quarantine(self) -> None:
        """Its last build went as builds should."""
        self._quarantine.reset()

    def _released(self) -> None:
        self._context.data.workers.note_quarantine(self.row, False, "")
        self._tell()

    # -- the connection

    async def attach(self, session: Session) -> None:
        """Take a connection whose worker has introduced itself.

        :raises ConnectionLost: if it is lost meanwhile, or another one is there.
        """
        if self._closed:
            raise ConnectionLost("this worker is not configured any more")
        try:
            self._presence.came()
        except NoTransition as error:
            raise ConnectionLost("another connection of this worker is there") from error
        self._greeting = session
        session.on_lost(lambda: self.detach(session))
        wanted = self._builders_wanted()
        try:
            await session.set_builders(list(wanted.items()))
        except BaseException:
            self.detach(session)
            raise
        if self._greeting is not session:
            raise ConnectionLost()
        self._greeting, self.session = None, session
        self._builders_told = wanted
        self._presence.ready()
        if wanted != self._builders_wanted():
            self._tell_builders()

    def detach(self, session: Session) -> None:
        """The connection is gone. Harmless the second time."""
        if session is self._greeting or session is self.session:
            self._greeting = None
            self._presence.lost()

    def _arrived(self) -> None:
        session = self.session
        assert session is not None
        self._absence.end()
        self._sent_home = False
        told = {key: value for key, value in session.info.items() if key != "environ"}
        self._context.data.workers.connected(self.row, told)
        self._keepalive = Keepalive(self._context.clock, session, self.config.keepalive_interval)
        self.log.info("worker {name} attached", name=self.name)
        if self.row.graceful and not self.seats:  # it was lost before it could leave
            self._leave()
        self._tell()

    def _departed(self) -> None:
        self.session = None
        self._builders_told = None
        self._stop_list_retry()
        if self._keepalive is not None:
            self._keepalive.stop()
            self._keepalive = None
        self._context.data.workers.disconnected(self.row)
        self.log.info("worker {name} detached", name=self.name)
        if self._sent_home and self.row.graceful:  # as asked; it may come back as any other
            came_to_pass = self._context.data.workers.set_graceful(self.row, False)
            spawn(came_to_pass, self.log, f"noting that worker {self.name} has left")
        self._lose_builds()
        if not self._closed:
            self.expect()
        self._tell()

    # -- configuration

    def configure(self, config: AbstractWorker) -> None:
        """Take over new settings."""
        self.config = config
        if self._absence.counts:
            self.expect()
        if self._keepalive is not None:
            self._keepalive.change_interval(config.keepalive_interval)
        self._tell()

    def set_builders(self, builders: dict[str, str]) -> None:
        """For which builders (name -> directory) it works from now on."""
        if builders != self.builders:
            self.builders = dict(builders)
            if self.session is not None:
                self._tell_builders()
            else:
                self._tell()

    def _tell_builders(self) -> None:
        spawn(self._send_builders(), self.log, f"telling worker {self.name} its builders")

    def _builders_wanted(self) -> dict[str, str]:
        """The list that the worker is to have.

        A builder under whose build the configuration took it away, or gave it another directory,
        stays as it was told until that build has ended: a worker ends the commands of builders
        that leave its list, and tells nobody.
        """
        told = self._builders_told or {}
        kept = {name: told[name] for name in self.seats if name in told}
        return {**self.builders, **kept}

    async def _send_builders(self) -> None:
        async with self._one_list:
            session, wanted = self.session, self._builders_wanted()
            told = self._builders_told
            if session is None or told is None or wanted == told:
                return
            # What it is told now differently does not count as known before it has answered.
            self._builders_told = {
                name: directory for name, directory in told.items() if wanted.get(name) == directory
            }
            self._tell()
            try:
                await session.set_builders(list(wanted.items()))
            except ConnectionLost:
                return  # when it comes back it is told
            except TimeoutError:
                self.log.warn("worker {name} does not take its builders", name=self.name)
                session.close()
                return
            except Exception:
                self.log.failure("worker {name} could not take its builders", name=self.name)
                self._tell_builders_later(session)
                return
            if session is self.session:
                self._builders_told = wanted
                self._tell()
                if wanted != self._builders_wanted():
                    self._tell_builders()

    def _tell_builders_later(self, session: Session) -> None:
        """Try again, as long as it is the same connection."""
        if session is self.session:
            self._stop_list_retry()
            self._list_retry = self._context.clock.callLater(LIST_RETRY_S, self._retry_list)

    def _retry_list(self) -> None:
        self._list_retry = None
        self._tell_builders()

    def _stop_list_retry(self) -> None:
        retry, self._list_retry = self._list_retry, None
        if retry is not None:
            retry.cancel()

    def knows(self, builder_name: str) -> bool:
        """Whether the connected worker has been told of that builder, as it is configured."""
        directory = self.builders.get(builder_name)
        return directory is not None and (self._builders_told or {}).get(builder_name) == directory

    # -- leaving

    def changed(self) -> None:
        """Its row was changed: whoever offers work should look at it again."""
        self._tell()

    async def ask_to_leave(self, reason: str | None = None) -> None:
        """Give it no more builds, and have it end itself once it has none.

        :raises Exception: if that cannot be stored; then nothing comes of it.
        """
        if not self.row.graceful:
            await self._context.data.workers.set_graceful(self.row, True, reason)
        if not self.seats:
            self._leave()
        self._tell()

    def kill(self) -> None:
        """Have it end itself now; its builds are lost."""
        self._leave()

    def _leave(self) -> None:
        if self.session is not None:
            self._sent_home = True
            spawn(self.session.shutdown(), self.log, f"shutting down worker {self.name}")

    def close(self) -> None:
        """It is configured no more, or the master stops."""
        self._closed = True
        self._absence.end()
        self._quarantine.stop()
        self._stop_list_retry()
        if self._left_timer is not None:
            self._left_timer.cancel()
            self._left_timer = None
        for session in (self._greeting, self.session):
            if session is not None:
                session.close()
        self._lose_builds()  # also those that have lost their connection before, and still end

    def _lose_builds(self) -> None:
        for build in list(self.running):
            build.lose_worker()

    # -- absence

    def expect(self) -> None:
        """Tell those who want to know, if it has not come after ``missing_timeout``."""
        self._absence.end()
        timeout_s = self.config.missing_timeout
        if timeout_s and self.config.notify_on_missing and self.session is None:
            self._absence.begin(timeout_s)

    def _tell(self) -> None:
        self.revision += 1
        self._context.changed(self, None)
