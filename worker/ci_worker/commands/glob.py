"""``glob``: the files that a pattern matches."""

import glob

from ci_worker.commands.files import FileCommand


def matches(pattern: str) -> list[str]:
    """All matches; ``**`` is for any depth."""
    return glob.glob(pattern, recursive=True)


class Glob(FileCommand):
    """Find what matches ``path``."""

    name = "glob"
    required = ("path",)

    async def run(self) -> None:
        """Find them."""
        done, found = await self.attempt(matches, self.place.path(self.args["path"]))
        if done:
            self.tell.put("files", found)
            self.tell.put("rc", 0)
