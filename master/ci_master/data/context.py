"""What all acts work with."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.internet.interfaces import IReactorTime

from ci_master.events.bus import Bus, Key
from ci_master.storage.store import Store


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

    def tell(self, message: Callable[[], dict[str, Any]], *keys: Key) -> None:
        """Publish an event under each of these keys once what was asked so far is committed.

        The message is made at once, so that it shows the resource as it is now.
        """
        bus = self.bus
        wanted = [key for key in keys if bus.wants(key)]
        if not wanted:
            return
        made = message()

        def publish() -> None:
            for key in wanted:
                bus.publish(key, made)

        self.store.after_commit(publish)
