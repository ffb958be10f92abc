# ruff: noqa: E501
"""A farm with a day of history, made through the same acts that the engine uses."""

import random
from collections.abc import Callable
from typing import Any

from ci_master.data.builders import BuilderSpec, ProjectSpec
from ci_master.data.data import Data
from ci_master.data.model import WaitReason

HOUR = 3600

BUILDERS = {
    # name: (project, tags, description, steps with usual seconds, workers)
    "linux-py311": ("demo", ("linux", "unit"), "Unit tests on the oldest Python that we support",
                    [("checkout", 4), ("deps", 9), ("compile", 41), ("test", 95)], ("linux-a", "linux-b")),
    "linux-py312": ("demo", ("linux", "unit"), "Unit tests",
                    [("checkout", 4), ("deps", 8), ("compile", 44), ("test", 101), ("upload", 3)],
                    ("linux-a", "linux-b", "local-1")),
    "macos-py312": ("demo", ("macos", "unit"), "Unit tests on Apple silicon",
                    [("checkout", 7), ("deps", 12), ("test", 130)], ("mac-mini",)),
    "win-py312": ("demo", ("windows", "unit"), "", [("checkout", 11), ("test", 190)], ("win-offline",)),
    "coverage": ("demo", ("linux", "slow"), "Line and branch coverage, once for every push to main",
                 [("checkout", 4), ("deps", 9), ("test with coverage", 420), ("report", 12)], ("linux-b",)),
    "docs": ("site", ("fast",), "Manual and reference, with all links checked",
             [("checkout", 3), ("sphinx", 38), ("linkcheck", 22)], ("local-1",)),
    "lint": ("site", ("fast",), "", [("checkout", 3), ("ruff", 5), ("mypy", 31)], ("local-1", "linux-a")),
    "package": ("release", ("release",), "Wheels and Debian packages", [("checkout", 4), ("build", 66), ("sign", 4)],
                ("linux-a",)),
    "deploy staging": ("release", ("release",), "", [("fetch", 4), ("roll out", 35), ("smoke test", 20)], ("local-1",)),
    "nightly-bench": ("demo", ("slow",), "Benchmarks against the last release", [("checkout", 4), ("bench", 900)],
                      ("linux-b",)),
}  # fmt: skip
WORKERS = ("linux-a", "linux-b", "local-1", "mac-mini", "win-offline")
PEOPLE = (
    "Ana Ruiz <ana@example.org>",
    "Bo Lindqvist <bo@example.org>",
    "Chen Wei <chen@example.org>",
    "Dara O'Neil <dara@example.org>",
)
SUBJECTS = (
    "net: retry when the peer resets the connection",
    "ui: dark theme tokens",
    "parser: accept trailing commas",
    "tests: cover the empty manifest",
    "docs: explain how revisions are chosen",
    "build: pin the compiler to 14.2",
    "api: <b>escape</b> names in error messages & logs",
    "cache: evict by age, not by size",
    "Fix a race between shutdown and the last flush of the journal, which lost lines on slow disks",
    "cli: say what a dry run would do",
)
LOG = """\
\x1b[1m============================= test session starts ==============================\x1b[0m
platform linux -- Python 3.12.4, pytest-8.2.0, pluggy-1.5.0
collected 60 items
"""


class TravelClock:
    """The reactor's clock, which can be told that it is another time."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self.at: float | None = None

    def seconds(self) -> float:
        return self.at if self.at is not None else self._reactor.seconds()

    def callLater(self, delay: float, call: Callable[..., Any], *args: Any, **kw: Any) -> Any:
        return self._reactor.callLater(delay, call, *args, **kw)

    def getDelayedCalls(self) -> Any:
        return self._reactor.getDelayedCalls()


def test_output(rng: random.Random, failed: bool, count: int = 60) -> tuple[str, str]:
    """What a test run prints on stdout and stderr."""
    lines = [LOG.rstrip("\n")]
    bad = set(rng.sample(range(count), 3)) if failed else set()
    for number in range(count):
        word = "\x1b[31mFAILED\x1b[0m" if number in bad else "\x1b[32mPASSED\x1b[0m"
        lines.append(
            f"tests/test_{number % 7}.py::test_case_{number} {word} [{(number + 1) * 100 // count:3}%]"
        )
    if failed:
        lines.append(
            "=================================== FAILURES ==================================="
        )
        for number in sorted(bad):
            lines += [
                f"_________________________________ test_case_{number} _________________________________",
                f"    def test_case_{number}():",
                ">       assert fetch('/status').code == 200",
                "\x1b[31mE       AssertionError: 503 != 200\x1b[0m",
                f"tests/test_{number % 7}.py:{40 + number}: AssertionError",
            ]
        lines.append(
            "\x1b[31m========================= \x1b[1m3 failed\x1b[0;31m, 57 passed in 3.91s =========================\x1b[0m"
        )
    else:
        lines.append(
            "\x1b[32m============================== 60 passed in 3.62s ==============================\x1b[0m"
        )
    return "\n".join(lines) + "\n", "warning: the cache is cold\n" if rng.random() < 0.3 else ""


class Story:
    """Fills a :class:`Data` with a day of work that ends at ``now``."""

    def __init__(self, data: Data, clock: TravelClock, now: int, seed: int = 7) -> None:
        self.data, self.clock, self.now = data, clock, now
        self.rng = random.Random(seed)
        self.events: list[tuple[float, int, Callable[[], Any]]] = []
        self.free: dict[str, float] = {}
        self.changes: list[dict[str, Any]] = []

    def at(self, when: float, act: Callable[[], Any]) -> None:
        self.events.append((when, len(self.events), act))

    async def tell(self, hours: int = 30) -> None:
        """Make everything."""
        data, now = self.data, self.now
        begin = now - hours * HOUR
        self.clock.at = begin
        names = sorted({one[0] for one in BUILDERS.values()})
        await data.projects.sync([ProjectSpec(name, name) for name in names])
        await data.builders.sync(
            [
                BuilderSpec(name, description=text or None, project=project, tags=tags)
                for name, (project, tags, text, _steps, _workers) in BUILDERS.items()
            ]
        )
        by_name = data.builders.by_name
        await data.workers.sync(
            {w: [by_name[b].id for b, one in BUILDERS.items() if w in one[4]] for w in WORKERS}
        )
        await data.schedulers.sync(["push", "nightly", "force"])
        for worker in WORKERS:
            info = {
                "admin": "Ana <ana@example.org>",
                "host": f"{worker}.example.org",
                "version": "1.0",
            }
            data.workers.connected(data.workers.by_name[worker], info)
        await self.long_log()
        self.plan_history(begin)
        await self.play()
        await self.present()
        data.logs.flush()
        self.clock.at = None
        await data.store.transaction("a wait").commit()

    async def long_log(self, lines: int = 1_000_000) -> None:
        """A build of ``nightly-bench`` with a log of a million lines."""
        data = self.data
        builder = data.builders.by_name["nightly-bench"]
        _bsid, requests = await data.buildsets.add(
            builderids=[builder.id],
            sourcestamps=[{"codebase": ""}],
            reason="The Nightly scheduler named 'nightly' triggered this build",
            scheduler="nightly",
        )
        request = data.requests.open[next(iter(requests.values()))]
        await data.requests.claim([request.id])
        build = data.builds.start(builder.id, request, data.workers.by_name["linux-b"].id)
        step = data.steps.add(build, "bench")
        data.steps.start(step, locks_acquired=True)
        log = data.logs.open(step, "stdio")
        for first in range(0, lines, 5000):
            rows = range(first, first + 5000)
            text = "".join(f"row {n} of a long benchmark, {n % 97} ns\n" for n in rows)
            log.append("o", text.encode())
            await log.room()
        log.finish()
        assert self.clock.at is not None
        self.clock.at += 840
        data.steps.set_state(step, "no regressions")
        data.steps.finish(step, 0, False)
        data.builds.set_state(build, "build successful")
        data.builds.finish(build, 0)
        data.requests.complete([request.id], 0)

    def plan_history(self, begin: float) -> None:
        rng, when = self.rng, begin + 600.0
        while when < self.now - 400:
            hour = (when - begin) / HOUR
            if 9 < hour < 17:  # night
                when = begin + 17 * HOUR
                continue
            self.plan_push(when)
            when += rng.choice((240, 700, 1500, 2600, 4000))
        self.plan_push(self.now - 150)
        win = self.data.workers.by_name["win-offline"]
        self.at(self.now - 2.1 * HOUR, lambda: self.data.workers.disconnected(win))
        linux_b = self.data.workers.by_name["linux-b"]
        self.at(begin + 4 * HOUR, lambda: self.data.workers.disconnected(linux_b))
        self.at(begin + 4.6 * HOUR, lambda: self.data.workers.connected(linux_b, linux_b.info))
        mac = self.data.workers.by_name["mac-mini"]
        self.at(
            self.now - 1.9 * HOUR,
            lambda: self.data.workers.set_paused(mac, True, "disk replacement"),
        )

    def plan_push(self, when: float) -> None:
        rng = self.rng
        number = len(self.changes)
        change = {
            "author": rng.choice(PEOPLE),
            "comments": SUBJECTS[number % len(SUBJECTS)] + "\n\nLonger text.\n",
            "files": [f"src/module_{rng.randrange(9)}.py", f"tests/test_{rng.randrange(7)}.py"],
            "revision": f"{rng.getrandbits(160):040x}",
            "branch": "main" if rng.random() < 0.8 else "release/2.x",
            "repository": "https://git.example.org/demo.git",
            "project": "demo",
        }
        self.changes.append(change)
        self.at(when, lambda: self.data.changes.add(**change))
        for name, (_project, tags, _text, _steps, _workers) in BUILDERS.items():
            if name in ("nightly-bench", "deploy staging") or ("slow" in tags and number % 3):
                continue
            if name == "win-py312" and when > self.now - 2.2 * HOUR:
                continue
            if name == "macos-py312" and when > self.now - 2 * HOUR:
                continue
            if name == "package" and change["branch"] == "main":
                continue
            self.plan_build(name, when + 30, change, number)

    def plan_build(self, name: str, when: float, change: dict[str, Any], number: int) -> None:
        rng, data = self.rng, self.data
        steps, workers = BUILDERS[name][3], BUILDERS[name][4]
        worker = min(workers, key=lambda one: self.free.get(one, 0))
        start = max(when + 2, self.free.get(worker, 0))
        late = when > self.now - 5 * HOUR
        fails = {"linux-py312": late, "lint": number % 11 == 3, "docs": number % 13 == 4}.get(
            name, rng.random() < 0.04
        )
        broken_step = len(steps) - 1 if name != "linux-py312" else 3
        kept: dict[str, Any] = {}

        async def submit() -> None:
            stamp = {k: change[k] for k in ("branch", "revision", "repository", "project")}
            _bsid, requests = await data.buildsets.add(
                builderids=[data.builders.by_name[name].id],
                sourcestamps=[{**stamp, "codebase": ""}],
                reason="The push scheduler named 'push' triggered this build",
                scheduler="push",
                properties={
                    "owner": (change["author"], "Change"),
                    "scheduler": ("push", "Scheduler"),
                },
            )
            kept["request"] = next(iter(requests.values()))

        async def begin() -> None:
            request = data.requests.open[kept["request"]]
            await data.requests.claim([request.id])
            row = data.workers.by_name[worker]
            build = kept["build"] = data.builds.start(request.builderid, request, row.id)
            properties = {
                "owner": (change["author"], "Change"),
                "branch": (change["branch"], "Build"),
                "revision": (change["revision"], "Build"),
                "got_revision": (change["revision"], "Source"),
                "buildername": (name, "Builder"),
                "workername": (worker, "Worker"),
                "builddir": (f"/srv/ci/{worker}/{name}", "Worker"),
                "versions": ({"python": "3.12.4", "pip": "24.0"}, "SetPropertyFromCommand"),
            }
            data.builds.set_properties(build, properties)
            data.builds.announce(build)

        self.at(when, submit)
        self.at(start, begin)
        at = start + 1
        results = 0
        for place, (step, usual) in enumerate(steps):
            takes = max(1.0, usual * rng.uniform(0.85, 1.2))
            bad = fails and place == broken_step
            warned = step == "sphinx" and number % 2 == 0
            results = 2 if bad else max(results, 1 if warned else 0)
            self.plan_step(kept, step, at, takes, 2 if bad else 1 if warned else 0)
            at += takes
            if bad:
                break
        ended = at + 1

        async def end() -> None:
            data.builds.set_state(
                kept["build"], "build successful" if results == 0 else
                "finished with warnings" if results == 1 else f"failed '{steps[broken_step][0]}'"
            )  # fmt: skip
            data.builds.finish(kept["build"], results)
            data.requests.complete([kept["request"]], results)

        self.at(ended, end)
        self.free[worker] = ended + 1

    def plan_step(
        self, kept: dict[str, Any], name: str, at: float, takes: float, results: int
    ) -> None:
        data, rng = self.data, self.rng

        def begin() -> None:
            step = kept["step"] = data.steps.add(kept["build"], name)
            data.steps.start(step, locks_acquired=True)
            log = kept["log"] = data.logs.open(step, "stdio")
            log.append(
                "h",
                f"{name} --now\n in dir /srv/ci/build (timeout 1200 secs)\n argv: [{name!r}]\n".encode(),
            )
            if "test" in name:
                out, err = test_output(rng, results == 2)
                log.append("o", out.encode())
                log.append("e", err.encode())
            else:
                log.append("o", "".join(f"{name}: line {i}\n" for i in range(8)).encode())

        def end() -> None:
            text = {0: "done", 1: "6 warnings", 2: "3 failed, 57 passed"}[results]
            data.steps.set_state(kept["step"], text)
            kept["log"].append(
                "h", f"program finished with exit code {int(results == 2)}\n".encode()
            )
            kept["log"].finish()
            data.steps.finish(kept["step"], results, False)

        self.at(at, begin)
        self.at(at + takes - 0.5, end)

    async def play(self) -> None:
        for when, _order, act in sorted(self.events, key=lambda event: event[:2]):
            if when > self.now:
                break
            self.clock.at = when
            made = act()
            if made is not None and hasattr(made, "__await__"):
                await made

    async def present(self) -> None:
        """What waits now."""
        data = self.data
        self.clock.at = self.now - 360
        why = {
            "macos-py312": WaitReason(
                "paused", 'mac-mini is paused since 18:55: "disk replacement"',
                (("mac-mini", "/workers/mac-mini"),),
            ),
            "win-py312": WaitReason(
                "offline", "No worker of this builder is online (win-offline, last seen 18:40)",
                (("win-offline", "/workers/win-offline"),),
            ),
            "coverage": WaitReason(
                "busy", "1 of 1 workers are busy; the first is expected free in about 4 min",
                (("linux-b", "/workers/linux-b"),),
            ),
        }  # fmt: skip
        for name, reason in why.items():
            for change in self.changes[-3 if name == "macos-py312" else -1 :]:
                self.clock.at += 20
                stamp = {k: change[k] for k in ("branch", "revision", "repository", "project")}
                _bsid, requests = await data.buildsets.add(
                    builderids=[data.builders.by_name[name].id],
                    sourcestamps=[{**stamp, "codebase": ""}],
                    reason="The push scheduler named 'push' triggered this build",
                    scheduler="push",
                    properties={"owner": (change["author"], "Change")},
                )
                for requestid in requests.values():
                    data.requests.set_waits(data.requests.open[requestid], reason)
