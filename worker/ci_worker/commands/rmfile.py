"""``rmfile``: remove one file."""

import os

from ci_worker.commands.files import FileCommand


class RemoveFile(FileCommand):
    """Remove the file ``path``."""

    name = "rmfile"
    required = ("path",)

    async def run(self) -> None:
        """Remove it."""
        done, _ = await self.attempt(os.remove, self.place.path(self.args["path"]))
        if done:
            self.tell.put("rc", 0)
