"""Endpoints of steps, logs and their text."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from ci_master.data.endpoints.answers import Answer, LogLines, LogText, NotFound, World
from ci_master.data.endpoints.builds import BuildRef
from ci_master.data.resultspec import Json, ResultSpec
from ci_master.storage import logchunks, reads_steps

Args = dict[str, Any]

#: More lines than this are not held in memory at once.
MANY_LINES = 10_000


@dataclass(frozen=True, slots=True)
class StepRef:
    """A step as a path names it: by id, or by build and number or name."""

    stepid: int | None
    build: BuildRef | None
    which: int | str

    @classmethod
    def of(cls, world: World, args: Args) -> "StepRef":
        """What the path's arguments say."""
        if "stepid" in args:
            return cls(args["stepid"], None, 0)
        which = args["step_number"] if "step_number" in args else args["step_name"]
        return cls(None, BuildRef.of(world, args), which)

    def get(self, tx: Connection) -> Json | None:
        """The step as stored."""
        if self.build is None:
            assert self.stepid is not None
            return reads_steps.step(tx, self.stepid)
        buildid = self.build.resolve(tx)
        return None if buildid is None else reads_steps.step_of(tx, buildid, self.which)

    def resolve(self, tx: Connection) -> int | None:
        """The step's id, if it may exist."""
        if self.stepid is not None:
            return self.stepid
        found = self.get(tx)
        return None if found is None else int(found["stepid"])


@dataclass(frozen=True, slots=True)
class LogRef:
    """A log as a path names it: by id, or by step and slug."""

    logid: int | None
    step: StepRef | None
    slug: str

    @classmethod
    def of(cls, world: World, args: Args) -> "LogRef":
        """What the path's arguments say."""
        if "logid" in args:
            return cls(args["logid"], None, "")
        return cls(None, StepRef.of(world, args), args["log_slug"])

    def get(self, tx: Connection) -> Json | None:
        """The log as stored."""
        if self.step is None:
            assert self.logid is not None
            return reads_steps.log(tx, self.logid)
        stepid = self.step.resolve(tx)
        return None if stepid is None else reads_steps.log_of(tx, stepid, self.slug)


async def step(world: World, args: Args, spec: ResultSpec) -> Answer:
    """One step."""
    return await world.sql(StepRef.of(world, args).get)


async def steps(world: World, args: Args, spec: ResultSpec) -> Answer:
    """The steps of a build."""
    ref = BuildRef.of(world, args)
    running = ref.running(world)
    if running is not None:
        return [one.as_json() for one in running.steps]
    return await world.counted_page(
        spec,
        reads_steps.STEP_COLUMNS,
        lambda tx, page: reads_steps.steps_page(tx, _build_of_steps(tx, ref), page),
    )


def _build_of_steps(tx: Connection, ref: BuildRef) -> int:
    """Id of the build; a number that its builder has not given leads nowhere."""
    buildid = ref.resolve(tx)
    if buildid is None:
        raise NotFound
    return buildid


async def log(world: World, args: Args, spec: ResultSpec) -> Answer:
    """One log."""
    return await world.sql(LogRef.of(world, args).get)


async def logs(world: World, args: Args, spec: ResultSpec) -> Answer:
    """The logs of a step."""
    ref = StepRef.of(world, args)
    return await world.counted_page(
        spec,
        reads_steps.LOG_COLUMNS,
        lambda tx, page: reads_steps.logs_page(tx, ref.resolve(tx) or 0, page),
    )


async def logchunk(world: World, args: Args, spec: ResultSpec) -> Answer:
    """Some lines of a log, each with its stream's letter in front."""
    first, count = spec.offset or 0, spec.limit
    if not args or first < 0 or (count is not None and count <= 0):
        return None  # there is no chunk like this
    ref = LogRef.of(world, args)

    def read(tx: Connection) -> Json | LogLines | None:
        found = ref.get(tx)
        if found is None or (count is None and first and first >= found["num_lines"]):
            return None
        left = max(found["num_lines"] - first, 0)
        wanted = left if count is None else min(count, left)
        if wanted > MANY_LINES and not spec.fields:
            return LogLines(found["logid"], first, first + wanted)
        return log_chunk(tx, found["logid"], first, wanted)

    return await world.sql(read)


def log_chunk(tx: Connection, logid: int, first: int, count: int) -> Json:
    """Some lines as the resource that REST shows."""
    text = logchunks.lines(tx, logid, first, count) if count else b""
    return {"logid": logid, "firstline": first, "content": text.decode("utf-8", "replace")}


async def log_raw(world: World, args: Args, spec: ResultSpec) -> Answer:
    """The whole text of a log."""
    ref = LogRef.of(world, args)

    def read(tx: Connection) -> LogText | None:
        found = ref.get(tx)
        origin = None if found is None else reads_steps.log_origin(tx, found["logid"])
        return None if origin is None else log_text(origin)

    return await world.sql(read)


def log_text(origin: reads_steps.LogOrigin) -> LogText:
    """How the text of a log is downloaded."""
    head = ""
    if origin.type == "s":
        head = (
            f"Builder: {origin.builder}\nBuild number: {origin.build_number}\n"
            f"Worker name: {origin.worker or ''}\n"
        )
    filename = f"{origin.builder}_build_{origin.build_number}_step_{origin.step}_log_{origin.slug}"
    return LogText(
        origin.logid, head.encode(), filename, origin.type == "h", origin.num_bytes + len(head)
    )
