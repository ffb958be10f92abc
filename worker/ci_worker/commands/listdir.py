"""``listdir``: the names in a directory."""

import os

from ci_worker.commands.files import FileCommand


class ListDirectory(FileCommand):
    """List the directory ``dir``."""

    name = "listdir"
    required = ("dir",)

    async def run(self) -> None:
        """List it."""
        done, names = await self.attempt(os.listdir, self.place.path(self.args["dir"]))
        if done:
            self.tell.put("files", names)
            self.tell.put("rc", 0)
