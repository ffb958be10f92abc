"""What people may do to schedulers: registered with ``data.actions``."""

from collections.abc import Callable, Iterable
from typing import Any

from ci_common.faults import Refused
from ci_master.data.actions import ForceRefused
from ci_master.schedulers.errors import CollectedValidationError
from ci_master.schedulers.forcesched import ForceScheduler

__all__ = ["register_actions"]


def register_actions(data: Any, running: Callable[[], Iterable[Any]]) -> None:
    """Make ``forceschedulers.force`` and ``schedulers.enable`` work.

    :param data: has ``actions`` and ``schedulers``.
    :param running: gives the schedulers that run on this master, at any time.
    """

    async def force(name: Any, args: dict[str, Any]) -> Any:
        for scheduler in running():
            if scheduler.name == name and isinstance(scheduler, ForceScheduler):
                break
        else:
            raise Refused(404, f"there is no force scheduler '{name}'")
        try:
            return await scheduler.force(**args)
        except CollectedValidationError as error:
            raise ForceRefused(error.errors) from error

    async def enable(key: Any, args: dict[str, Any]) -> None:
        known = data.schedulers
        row = known.by_name.get(key)
        if row is None and str(key).isdigit():
            row = known.by_id.get(int(key))
        if row is None:
            raise Refused(404, f"there is no scheduler '{key}'")
        wanted = args.get("enabled")
        if not isinstance(wanted, bool):
            raise Refused(400, "'enabled' must be true or false")
        known.set_enabled(row, wanted)
        for scheduler in running():
            if scheduler.name == row.name and hasattr(scheduler, "follow_enabled"):
                await scheduler.follow_enabled()

    data.actions.register("forceschedulers", "force", force)
    data.actions.register("schedulers", "enable", enable)
