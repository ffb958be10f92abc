"""A farm that strains pages: 28 builders, long names, branches and reasons, large numbers."""

import random
from typing import Any

from ci_master.data.builders import BuilderSpec, ProjectSpec
from ci_master.data.data import Data
from ci_master.data.model import WaitReason
from tests.tools.demo_farm import TravelClock, test_output

BUILDERS = 28
FIRST_NUMBER = 123_456
BRANCH = "feature/JIRA-12345-rework-the-connection-handling-of-the-cache-and-its-eviction"
REVISION = "6341a5e0c9b3f7d2a8e4516c0b9d8f7e6a5c4b3d"
REASON = (
    "The AnyBranchScheduler scheduler named 'every-branch-of-every-repository' triggered this "
    "build: Changes on feature/JIRA-12345-rework-the-connection-handling by three people"
)
AUTHOR = "Maria-Magdalena von und zu Guttenberg-Lindqvist <maria-magdalena@subsidiary.example.org>"
SUBJECT = "connection handling: rework the eviction of the cache so that retries are not lost twice"
STEPS = (
    "fetch-the-sources-of-all-submodules-recursively",
    "install-the-dependencies-of-the-documentation-and-of-the-tests",
    "compile",
    "run-the-integration-tests-against-three-versions-of-the-database",
)
WORKERS = tuple(f"linux-x86-64-rack-{n:02}.build.subsidiary.example.org" for n in range(1, 7))
TAGS = tuple(f"tag-{n:02}-{'abcdefghijklmnop'[: n % 16]}" for n in range(30))


def builder_name(number: int) -> str:
    """Short and long names, some of one long word."""
    if number == 0:
        return "integration-tests-linux-x86-64-python-3.12-postgresql-16-with-all-extensions"
    kinds = ("unit", "integration-tests-linux-x86-64-gcc14", "package-debian-bookworm-arm64")
    return f"{kinds[number % 3]}-{number:02}"


class LargeFarm:
    """Fills a :class:`Data` with an afternoon of a large farm that ends at ``now``."""

    def __init__(self, data: Data, clock: TravelClock, now: int) -> None:
        self.data, self.clock, self.now = data, clock, now

    async def tell(self) -> None:
        """Make everything."""
        data = self.data
        self.clock.at = self.now - 7200
        await data.projects.sync([ProjectSpec("platform-and-infrastructure", "Platform")])
        specs = [
            BuilderSpec(
                builder_name(n),
                description="Everything that the nightly run of the platform team needs, " * 2,
                project="platform-and-infrastructure" if n % 2 else None,
                tags=TAGS if n == 0 else TAGS[n % 20 : n % 20 + 3],
            )
            for n in range(BUILDERS)
        ]
        await data.builders.sync(specs)
        builders = [data.builders.by_name[spec.name] for spec in specs]
        for builder in builders:
            builder.next_number = FIRST_NUMBER
        await data.workers.sync({name: [b.id for b in builders] for name in WORKERS})
        await data.schedulers.sync(["every-branch-of-every-repository", "force"])
        info = {"admin": AUTHOR, "host": WORKERS[0] * 2, "version": "4.3.0.dev123+gabcdef"}
        for name in WORKERS[:5]:
            data.workers.connected(data.workers.by_name[name], info)
        await data.workers.set_paused(
            data.workers.by_name[WORKERS[4]], True, "its disk is replaced by the data centre " * 3
        )
        changes = [
            {
                "author": AUTHOR, "comments": f"{SUBJECT}\n\n{REASON}\n", "branch": BRANCH,
                "files": [f"src/{'deep/' * 12}module_with_a_long_name_{n}.py" for n in range(9)],
                "revision": f"{n}{REVISION[1:]}", "project": "platform-and-infrastructure",
                "repository": "ssh://git@git.subsidiary.example.org:7999/platform/platform.git",
            }
            for n in range(3)
        ]  # fmt: skip
        for change in changes:
            await data.changes.add(**change)
        for turn in range(3):
            for place, builder in enumerate(builders):
                self.clock.at = self.now - 6600 + turn * 1800 + place * 20
                await self.build(builder, 2 if (place + turn) % 4 == 0 else 0)
        self.clock.at = self.now - 120
        for builder in builders[:4]:
            await self.build(builder, None)
        for builder in builders[4:12]:
            request = await self.request(builder)
            text = (
                "4 of 4 workers are busy; the first is expected free in about 2 min 30 s: "
                f"{WORKERS[0]}"
            )
            data.requests.set_waits(
                request, WaitReason("busy", text, ((WORKERS[0], f"/workers/{WORKERS[0]}"),))
            )
        data.logs.flush()
        self.clock.at = None
        await data.store.transaction("a wait").commit()

    async def request(self, builder: Any) -> Any:
        stamp = {
            "branch": BRANCH, "revision": REVISION, "codebase": "",
            "repository": "ssh://git@git.subsidiary.example.org:7999/platform/platform.git",
            "project": "platform-and-infrastructure",
        }  # fmt: skip
        _bsid, requests = await self.data.buildsets.add(
            builderids=[builder.id], sourcestamps=[stamp], reason=REASON,
            scheduler="every-branch-of-every-repository",
            properties={"owner": (AUTHOR, "Change")},
        )  # fmt: skip
        return self.data.requests.open[next(iter(requests.values()))]

    async def build(self, builder: Any, results: int | None) -> None:
        """One build; ``None`` runs still, in its last step but one."""
        data, clock = self.data, self.clock
        request = await self.request(builder)
        assert clock.at is not None
        began = clock.at
        await data.requests.claim([request.id])
        build = data.builds.start(
            builder.id, request, data.workers.by_name[WORKERS[builder.id % 4]].id
        )
        properties = {
            f"property_{n:02}_of_the_platform_team": ({"value": REASON, "more": [n] * 9}, "Step")
            for n in range(60)
        }
        data.builds.set_properties(build, {**properties, "branch": (BRANCH, "Build")})
        data.builds.announce(build)
        for place, name in enumerate(STEPS):
            if results is None and place == 3:
                return
            step = data.steps.add(build, name)
            data.steps.start(step, locks_acquired=True)
            log = data.logs.open(step, "stdio")
            more = data.logs.open(step, "the-output-of-the-test-runner-as-junit.xml")
            log.append("h", f"{name} --now\n in dir /srv/ci/build\n".encode())
            log.append("o", output_of(results == 2 and place == 3).encode())
            data.steps.add_url(step, "the report of the coverage", "https://ci.example.org/report")
            if results is None and place == 2:
                return
            clock.at += 20 + 30 * place
            bad = 2 if results == 2 and place == 3 else 0
            data.steps.set_state(step, "3 failed, 57 passed in the integration tests" * (1 + bad))
            log.finish()
            more.finish()
            data.steps.finish(step, bad, False)
        data.builds.set_state(build, f"failed '{STEPS[3]}'" if results else "build successful")
        data.builds.finish(build, results or 0)
        data.requests.complete([request.id], results or 0)
        clock.at = began


def output_of(failed: bool) -> str:
    """What the tests print, with one very long line."""
    return test_output(random.Random(3), failed)[0] + "x" * 900 + "\n"
