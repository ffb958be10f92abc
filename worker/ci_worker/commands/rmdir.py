"""``rmdir``: remove directory trees."""

import os

from ci_worker.commands.files import remove_tree
from ci_worker.commands.subprograms import ProgramsCommand


class RemoveDirectory(ProgramsCommand):
    """Remove ``dir``, one or a list; a tree that resists is made writable and tried again."""

    name = "rmdir"
    required = ("dir",)

    async def run(self) -> None:
        """Remove them all; the exit status is that of the last failure."""
        names = self.args["dir"]
        paths = [self.place.path(n) for n in ([names] if isinstance(names, str) else names)]
        rc = 0
        for path in paths:
            rc = await self._remove(path) or rc
        self.tell.put("rc", rc)

    async def _remove(self, path: str) -> int:
        if os.name == "nt":
            return await self._remove_in_thread(path)
        rc = await self.run_program(["rm", "-rf", path])
        if rc == 0 or self.interrupted:
            return rc
        await self.run_program(["chmod", "-Rf", "u+rwx", path])
        return await self.run_program(["rm", "-rf", path])

    async def _remove_in_thread(self, path: str) -> int:
        try:
            await self.place.in_thread(remove_tree, path)
        except FileNotFoundError:
            return 0
        except OSError as error:
            self.tell.put("stderr", f"{self.name}: {error.strerror or error}: {path}\n")
            return error.errno or 1
        return 0
