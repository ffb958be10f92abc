"""What all acts work with."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.internet.interfaces import IReactorTime

from ci_master.events.bus import Bus, Key
from ci_master.storage.store import Store
from ci_master.storage.transaction import Group, Transaction


@dataclass
class Context:
    """The store, the bus and the clock, and which master this is."""

    store: Store
    bus: Bus
    clock: IReactorTime
    master_id: int = 0
    #: Text of the method for compressing logs, a key of ci_master.storage.logchunks.METHODS.
    log_compression: str = "zstd"

    def now(self) -> int:
        """Unix seconds."""
        return int(self.clock.seconds())

    def transaction(self, about: str, group: Group | None = None) -> Transaction:
        """An act to be filled: its rows, and the events that follow when they are stored.

        :param about: what it stores, for messages: "the end of step 'test'".
        :param group: what it writes a part of.
        """
        return self.store.transaction(about, bus=self.bus, group=group)

    def tell(self, message: Callable[[], dict[str, Any]], *keys: Key) -> None:
        """Publish an event of which nothing is stored, after those of what was asked so far.

        The message is made at once, so that it shows the resource as it is now.
        """
        act = self.transaction("an event")
        act.tell(message, *keys)
        if act.follows:
            act.submit()
