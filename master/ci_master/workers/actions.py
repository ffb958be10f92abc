"""What people may do to workers: pause, unpause, stop when idle, kill."""

from typing import TYPE_CHECKING, Any

from ci_common.faults import Refused
from ci_common.numbers import whole_number
from ci_master.data.actions import OWNER, REASON, reason_and_owner
from ci_master.data.arguments import Arguments

if TYPE_CHECKING:
    from ci_master.workers.registry import WorkerRegistry
    from ci_master.workers.slot import WorkerSlot


def register(registry: "WorkerRegistry", data: Any) -> None:
    """Offer the actions of workers, for ids and for names."""

    def find(key: Any) -> "WorkerSlot":
        number = whole_number(key)
        slot = registry.slots.get(str(key)) if number is None else registry.by_id(number)
        if slot is None:
            raise Refused(404, f"there is no configured worker '{key}'")
        return slot

    async def pause(key: Any, args: dict[str, Any]) -> None:
        slot = find(key)
        await data.workers.set_paused(slot.row, True, reason_and_owner(args))
        slot.changed()

    async def unpause(key: Any, args: dict[str, Any]) -> None:
        slot = find(key)
        await data.workers.set_paused(slot.row, False, reason_and_owner(args))
        slot.changed()

    async def stop(key: Any, args: dict[str, Any]) -> None:
        await find(key).ask_to_leave(reason_and_owner(args))

    async def kill(key: Any, args: dict[str, Any]) -> None:
        slot = find(key)
        data.workers.note_kill(slot.row, reason_and_owner(args))
        slot.kill()

    for handler in (pause, unpause, stop, kill):
        arguments = Arguments(REASON, OWNER)
        data.actions.register("workers", handler.__name__, handler, arguments, find=find)
