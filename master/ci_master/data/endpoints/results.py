"""Endpoints of test results and code bases."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection

from ci_master.data.endpoints.answers import Answer, EndpointFunction, World
from ci_master.data.resultspec import Json, ResultSpec
from ci_master.storage import reads_builds, reads_steps, reads_tests
from ci_master.storage.reads_tests import Plain

Args = dict[str, Any]


def _one(family: Plain, of: Callable[[World, Args], Args | None]) -> EndpointFunction:
    async def endpoint(world: World, args: Args, spec: ResultSpec) -> Answer:
        wanted = of(world, args)
        return None if wanted is None else await world.sql(lambda tx: family.one(tx, wanted))

    return endpoint


def _many(family: Plain) -> EndpointFunction:
    """The rows of a family that have the values of the path's arguments."""

    async def endpoint(world: World, args: Args, spec: ResultSpec) -> Answer:
        wanted = dict(args)
        if "buildername" in wanted:
            wanted["builderid"] = world.builder_id(wanted)
            del wanted["buildername"]
            if wanted["builderid"] is None:
                return None
        return await world.counted_page(
            spec, family.columns, lambda tx, page: family.page(tx, page, wanted)
        )

    return endpoint


def _codebase_of(world: World, args: Args) -> Args:
    if "codebasename" in args:
        return {"projectid": args["projectid"], "name": args["codebasename"]}
    return args


test_result_set = _one(reads_tests.TEST_SETS, lambda world, args: args)
_test_result_sets = _many(reads_tests.TEST_SETS)


async def test_result_sets(world: World, args: Args, spec: ResultSpec) -> Answer:
    """Test result sets, all or those of a builder, a build or a step; both must exist."""

    def has_parent(tx: Connection) -> bool:
        if "buildid" in args:
            return reads_builds.exists(tx, args["buildid"])
        return "stepid" not in args or reads_steps.step(tx, args["stepid"]) is not None

    if not await world.sql(has_parent):
        return None
    return await _test_result_sets(world, args, spec)


test_results = _many(reads_tests.TEST_RESULTS)
codebase = _one(reads_tests.CODEBASES, _codebase_of)
codebases = _many(reads_tests.CODEBASES)
commit = _one(reads_tests.COMMITS, lambda world, args: args)
commits = _many(reads_tests.COMMITS)
branch = _one(reads_tests.BRANCHES, lambda world, args: args)
branches = _many(reads_tests.BRANCHES)


async def commit_graph(world: World, args: Args, spec: ResultSpec) -> Answer:
    """How two commits of a code base are related through their nearest common parent."""

    def read(tx: Connection) -> Json | None:
        parents = reads_tests.parents_of(tx, args["codebaseid"])
        first = _line(parents, args["commitid1"])
        second = _line(parents, args["commitid2"])
        places = {commit_: place for place, commit_ in enumerate(first)}
        for place, commit_ in enumerate(second):
            if commit_ in places:
                to1 = first[: places[commit_]][::-1]
                return {"common": commit_, "to1": to1, "to2": second[:place][::-1]}
        return None

    return await world.sql(read)


def _line(parents: dict[int, int | None], commit_: int) -> list[int]:
    """A commit and its parents, newest first."""
    line: list[int] = []
    seen: set[int] = set()
    at: int | None = commit_
    while at is not None and at in parents and at not in seen:
        line.append(at)
        seen.add(at)
        at = parents[at]
    return line


async def test_result_sets_of_range(world: World, args: Args, spec: ResultSpec) -> Answer:
    """Test result sets of the builds of a range of commits: none are tied to commits."""
    return []
