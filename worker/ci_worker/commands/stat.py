"""``stat``: what the system knows of a file."""

import os

from ci_worker.commands.files import FileCommand


def ten_numbers(path: str) -> tuple[float, ...]:
    """The classic ten numbers of ``os.stat``."""
    return tuple(os.stat(path)[:10])


class Stat(FileCommand):
    """Look at ``file``."""

    name = "stat"
    required = ("file",)

    async def run(self) -> None:
        """Look at it."""
        path = self.place.path(self.args.get("workdir") or "", self.args["file"])
        done, found = await self.attempt(ten_numbers, path)
        if done:
            self.tell.put("stat", found)
            self.tell.put("rc", 0)
