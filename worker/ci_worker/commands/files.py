"""What the file commands share: one blocking operation, run in a thread."""

from collections.abc import Callable
from typing import Any

from ci_worker.commands.base import Command


class FileCommand(Command):
    """A command that is one blocking operation on one path."""

    async def attempt(self, operation: Callable[[str], Any], path: str) -> tuple[bool, Any]:
        """Run ``operation(path)`` in a thread; (True, result), or (False, None) after telling."""
        try:
            return True, await self.place.in_thread(operation, path)
        except OSError as error:
            self.tell_error(error, path)
            return False, None
