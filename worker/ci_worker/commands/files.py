"""What the file commands share: one blocking operation, run in a thread; removing trees."""

import os
import shutil
import stat
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


def remove_tree(path: str) -> None:
    """Remove a directory tree or a file, also what is marked as read-only (Windows keeps that)."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, onerror=_make_writable_and_try_again)
    else:
        os.remove(path)


def _make_writable_and_try_again(function: Callable[[str], Any], path: str, problem: Any) -> None:
    if function not in (os.unlink, os.rmdir) or not isinstance(problem[1], PermissionError):
        raise problem[1]
    os.chmod(path, stat.S_IWRITE | stat.S_IREAD)
    function(path)
