"""``cpdir``: copy a directory tree."""

import os
import shutil
import sys

from ci_worker.commands.subprograms import ProgramsCommand


class CopyDirectory(ProgramsCommand):
    """Copy ``fromdir`` to ``todir``, with links as links and times and modes as they are."""

    name = "cpdir"
    required = ("fromdir", "todir")

    async def run(self) -> None:
        """Copy it, with ``cp`` where there is one."""
        source = self.place.path(self.args["fromdir"])
        target = self.place.path(self.args["todir"])
        if os.name == "nt":
            await self._copy_in_thread(source, target)
            return
        verbose = [] if sys.platform.startswith(("sunos", "aix")) else ["-v"]
        argv = ["cp", "-R", "-P", "-p", *verbose, source, target]
        self.tell.put("rc", await self.run_program(argv))

    async def _copy_in_thread(self, source: str, target: str) -> None:
        try:
            await self.place.in_thread(_copy, source, target)
        except OSError as error:
            self.tell_error(error, source)
        else:
            self.tell.put("rc", 0)


def _copy(source: str, target: str) -> None:
    shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
