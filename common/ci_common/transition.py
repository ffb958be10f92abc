"""One change of what runs: as long as it is not finished, all that was done can be undone."""

from collections.abc import Callable
from typing import Any

from twisted.logger import Logger

from ci_common.aio import call_override


class Transition:
    """Collects, while something is changed, how to undo it, and what is to be done at the end.

    Whoever changes something notes first how to undo it (:meth:`undo_by`), so that a change that
    breaks off in its middle is undone as well. What cannot be undone (closing a connection,
    ending a process) is noted for the end (:meth:`finally_do`), where nothing can fail any more
    that would take the change back.
    """

    log = Logger()

    def __init__(self) -> None:
        self._undo: list[tuple[str, Callable[[], Any]]] = []
        self._undo_first: list[tuple[str, Callable[[], Any]]] = []
        self._last: list[tuple[str, Callable[[], Any]]] = []

    def undo_first_by(self, what: str, undo: Callable[[], Any]) -> None:
        """Undo this before all else: the rest looks at it when it is undone."""
        self._undo_first.append((what, undo))

    def undo_by(self, what: str, undo: Callable[[], Any]) -> None:
        """Undo something by calling this, if the change fails.

        :param what: what is put back by it, for people: ``scheduler 'nightly'``.
        :param undo: may be a coroutine function, or give a Deferred.
        """
        self._undo.append((what, undo))

    def finally_do(self, what: str, act: Callable[[], Any]) -> None:
        """Call this once the change has succeeded."""
        self._last.append((what, act))

    async def roll_back(self) -> list[str]:
        """Undo all that was done, the last first.

        :returns: what could not be put back, and why; empty as a rule.
        """
        undo = [*reversed(self._undo_first), *reversed(self._undo)]
        self._undo, self._undo_first, self._last = [], [], []
        return await self._call(undo, "{what} could not be put back")

    async def finish(self) -> list[str]:
        """The change has succeeded: do what is left.

        :returns: what of that failed, and why.
        """
        last = self._last
        self._undo, self._undo_first, self._last = [], [], []
        return await self._call(last, "{what}: failed after the change")

    async def _call(self, acts: Any, complaint: str) -> list[str]:
        failed = []
        for what, act in acts:
            try:
                await call_override(act)
            except Exception as error:
                self.log.failure(complaint, what=what)
                failed.append(f"{what}: {type(error).__name__}: {error}")
        return failed
