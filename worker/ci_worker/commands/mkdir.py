"""``mkdir``: make a directory, and those above it."""

import os

from ci_worker.commands.files import FileCommand


def make(path: str) -> None:
    """Make the directory; it is no error if it exists."""
    os.makedirs(path, exist_ok=True)


class MakeDirectory(FileCommand):
    """Make the directory ``dir``."""

    name = "mkdir"
    required = ("dir",)

    async def run(self) -> None:
        """Make it."""
        done, _ = await self.attempt(make, self.place.path(self.args["dir"]))
        if done:
            self.tell.put("rc", 0)
