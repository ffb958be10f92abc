"""The locks that a build and its steps hold."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, ensureDeferred

from ci_master.builds.buildenv import BuildEnv
from ci_master.builds.locks import Claim, acquire_all, claim_all, release_all, why_not_all
from ci_master.builds.rendering import render
from ci_master.builds.workerview import WorkerView
from ci_master.data.model import BuildRow, StepRow

if TYPE_CHECKING:
    from ci_master.builds.buildstep import BuildStep


class BuildLocks:
    """The part of a build that is about locks. See :class:`ci_master.builds.build.Build`."""

    services: BuildEnv
    row: BuildRow
    config: Any
    slot: Any
    properties: Any
    worker: WorkerView
    _held: list[Claim] | None = None
    _waits: Deferred[Any] | None = None

    async def wanted_locks(self) -> list[Claim]:
        """The locks of the builder and of the worker, with the properties known by now."""
        locks = self.config.locks
        worker_locks = self.slot.config.locks
        if not locks and not worker_locks:
            return []
        locks = await render(locks, self.properties)
        return self.services.locks.claims([*worker_locks, *locks], self.worker.workername)

    def claim_locks(self, claims: list[Claim]) -> bool:
        """Take them all, if all are free."""
        if not claim_all(claims, self):
            return False
        self._held = claims
        return True

    async def wait_for_locks(self, claims: list[Claim]) -> None:
        """Wait until all are free, and take them.

        :raises CancelledError: if the build is stopped meanwhile.
        """
        self._waits = ensureDeferred(self._timed(acquire_all(claims, self, self.services.locks)))
        try:
            await self._waits
        finally:
            self._waits = None
        self._held = claims

    async def _timed(self, waiting: Awaitable[None]) -> None:
        clock = self.services.clock
        began_at = clock.seconds()
        try:
            await waiting
        finally:
            waited_s = clock.seconds() - began_at
            self.services.data.builds.add_locks_duration(self.row, waited_s)

    def stop_waiting(self) -> None:
        """Wait no longer for the locks of the build."""
        if self._waits is not None:
            self._waits.cancel()

    def release_locks(self) -> None:
        """Give back what the build itself holds."""
        held, self._held = self._held, None
        if held:
            release_all(held, self)

    @contextmanager
    def says_who_holds(self, claims: list[Claim], waiter: Any, row: StepRow) -> Iterator[None]:
        """For as long as this holds, a step's text says what its locks are kept by just then."""
        mine = {lock for lock, _ in claims}

        def say() -> None:
            why = why_not_all(claims, waiter)
            if why is not None:
                self.services.data.steps.set_state(row, f"waiting: {why}")

        say()
        undo = self.services.locks.on_change(lambda lock: say() if lock in mine else None)
        try:
            yield
        finally:
            undo()

    async def acquire_step_locks(self, step: BuildStep) -> None:
        """Take the locks of a step, waiting for them if need be.

        :raises RuntimeError: if the build itself holds one of them: the step would wait for ever.
        :raises CancelledError: if the step is interrupted meanwhile.
        """
        table = self.services.locks
        claims = table.claims(await render(step.locks, self.properties), self.worker.workername)
        mine = {lock for lock, _ in self._held or ()}
        for lock, _ in claims:
            if lock in mine:
                raise RuntimeError(
                    f"step '{step.name}' wants lock '{lock.name}', which its own build holds"
                )
        if not claim_all(claims, step):
            step._lock_wait = ensureDeferred(self._timed(acquire_all(claims, step, table)))
            with self.says_who_holds(claims, step, step.row):
                try:
                    await step._lock_wait
                finally:
                    step._lock_wait = None
        step._claims = claims
        self.services.data.steps.locks_acquired(step.row)

    def release_step_locks(self, step: BuildStep) -> None:
        """Give back what a step holds. Harmless the second time."""
        claims, step._claims = step._claims, None
        if claims:
            release_all(claims, step)
