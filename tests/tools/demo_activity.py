"""Builds that come and go while somebody looks."""

from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import ensureDeferred
from twisted.internet.task import deferLater


def pause(seconds: float) -> Any:
    """Wait."""
    return deferLater(reactor, seconds, lambda: None)  # type: ignore[arg-type]


class Activity:
    """Ends what the story left running, then builds ``lint`` again and again."""

    def __init__(self, data: Any) -> None:
        self.data = data

    def go_on(self) -> None:
        """Begin."""
        ensureDeferred(self._run()).addErrback(lambda failure: failure.printTraceback())

    async def _run(self) -> None:
        while True:
            await self.build("lint", "local-1", lines=12, line_s=0.5)
            await pause(3)

    async def build(self, name: str, worker: str, *, lines: int, line_s: float) -> Any:
        """One build with one step that prints some lines."""
        data = self.data
        builder = data.builders.by_name[name]
        _bsid, requests = await data.buildsets.add(
            builderids=[builder.id],
            sourcestamps=[{"codebase": "", "branch": "main", "revision": None}],
            reason="to have something to look at",
            scheduler="force",
            properties={"owner": ("ana", "Force Build Form")},
        )
        await pause(1)
        request = data.requests.open[next(iter(requests.values()))]
        await data.requests.claim([request.id])
        build = data.builds.start(builder.id, request, data.workers.by_name[worker].id)
        data.builds.announce(build)
        step = data.steps.add(build, "mypy")
        data.steps.start(step, locks_acquired=True)
        log = data.logs.open(step, "stdio")
        for number in range(lines):
            log.append("o", f"line {number} of this build\n".encode())
            await pause(line_s)
        log.finish()
        data.steps.set_state(step, "no issues found")
        data.steps.finish(step, 0, False)
        data.builds.set_state(build, "build successful")
        data.builds.finish(build, 0)
        data.requests.complete([request.id], 0)
        return build
