"""What people may do to schedulers: registered with ``data.actions``."""

from collections.abc import Callable, Iterable
from typing import Any

from ci_common.faults import Refused
from ci_common.numbers import MOST_32, whole_number
from ci_master.data.actions import OWNER, ForceRefused
from ci_master.data.arguments import Argument, Arguments, Flag
from ci_master.schedulers.errors import CollectedValidationError
from ci_master.schedulers.forcesched import FORCE, ForceScheduler

__all__ = ["register_actions"]

ENABLE = Arguments(Argument("enabled", Flag(), required=True), OWNER)


def register_actions(data: Any, running: Callable[[], Iterable[Any]]) -> None:
    """Make ``forceschedulers.force`` and ``schedulers.enable`` work.

    :param data: has ``actions`` and ``schedulers``.
    :param running: gives the schedulers that run on this master, at any time.
    """

    def find_force(name: Any) -> ForceScheduler:
        for scheduler in running():
            if scheduler.name == name and isinstance(scheduler, ForceScheduler):
                return scheduler
        raise Refused(404, f"there is no force scheduler '{name}'")

    def find(key: Any) -> Any:
        known, number = data.schedulers, whole_number(key, most=MOST_32)
        row = known.by_name.get(key) or known.by_id.get(number)
        if row is None:
            raise Refused(404, f"there is no scheduler '{key}'")
        return row

    async def force(name: Any, args: dict[str, Any]) -> Any:
        try:
            return await find_force(name).force(**args)
        except CollectedValidationError as error:
            raise ForceRefused(error.errors) from error

    async def enable(key: Any, args: dict[str, Any]) -> None:
        row = find(key)
        await data.schedulers.set_enabled(row, args["enabled"])
        for scheduler in running():
            if scheduler.name == row.name and hasattr(scheduler, "follow_enabled"):
                await scheduler.follow_enabled()

    data.actions.register("forceschedulers", "force", force, FORCE, find=find_force)
    data.actions.register("schedulers", "enable", enable, ENABLE, find=find)
