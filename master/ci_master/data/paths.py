"""The paths of the REST API, and which endpoint answers each.

Elements of a pattern: ``n:name`` or ``:name`` a decimal number, ``i:name`` an identifier,
``s:name`` any text, everything else itself. Where several fit, the narrower one wins.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ci_common.numbers import is_digits
from ci_master.data.endpoints.entities import ENTITIES, IDENTIFIER, Fields

_LONGEST_NUMBER = 18

#: The largest integer of the database's columns; nothing has it as its id.
_HIGHEST = 2**31 - 1

SINGLE, COLLECTION, RAW, RAW_INLINE = "single", "collection", "raw", "raw_inline"


class InvalidPath(Exception):
    """There is nothing at this path."""


@dataclass(frozen=True, eq=False)
class Endpoint:
    """What answers a group of paths."""

    type: str
    plural: str
    kind: str
    patterns: tuple[str, ...]
    #: What it is called by in :mod:`ci_master.data.endpoints`.
    name: str
    #: Whether it takes limit and offset, though it is not a collection.
    windowed: bool = False
    fields: Fields = field(default_factory=dict)


_BUILDERS = ("/builders/n:builderid", "/builders/s:buildername")
_BUILDS = ("/builds/n:buildid", *(f"{one}/builds/n:build_number" for one in _BUILDERS))
_STEPS = tuple(
    f"{one}/steps/{which}" for one in _BUILDS for which in ("i:step_name", "n:step_number")
)
_OF_STEPS = ("/steps/n:stepid", *_STEPS)
_LOGS = ("/logs/n:logid", *(f"{one}/logs/i:log_slug" for one in _OF_STEPS))
_WORKERS = tuple(
    f"{place}/workers/{which}"
    for place in ("", "/masters/n:masterid", "/masters/n:masterid/builders/n:builderid",
                  "/builders/n:builderid")
    for which in ("n:workerid", "i:name")
)  # fmt: skip
_RANGE = "/codebases/n:codebaseid/commit_range/n:commitid1/n:commitid2"


def _below(parents: tuple[str, ...], tail: str) -> tuple[str, ...]:
    return tuple(parent + tail for parent in parents)


def _endpoint(
    type_name: str, kind: str, *patterns: str, plural: str = "", name: str = "", **more: Any
) -> Endpoint:
    plural = plural or f"{type_name}s"
    return Endpoint(
        type_name,
        plural,
        kind,
        patterns,
        name or (type_name if kind == SINGLE else plural),
        fields=ENTITIES[type_name],
        **more,
    )


ENDPOINTS: tuple[Endpoint, ...] = (
    _endpoint("rootlink", COLLECTION, "/"),
    _endpoint("spec", COLLECTION, "/application.spec"),
    _endpoint("build_data", COLLECTION, *_below(_BUILDS, "/data"), plural="build_data",
              name="build_data_list"),
    _endpoint("build_data", SINGLE, *_below(_BUILDS, "/data/i:name"), plural="build_data"),
    _endpoint("build_data", RAW, *_below(_BUILDS, "/data/i:name/value"), plural="build_data",
              name="build_data_value"),
    _endpoint("builder", SINGLE, *_BUILDERS, "/masters/n:masterid/builders/n:builderid"),
    _endpoint("builder", COLLECTION, "/builders", "/masters/n:masterid/builders",
              "/projects/n:projectid/builders", "/workers/n:workerid/builders"),
    _endpoint("build", SINGLE, *_BUILDS),
    _endpoint("build", COLLECTION, "/builds", *_below(_BUILDERS, "/builds"),
              "/buildrequests/n:buildrequestid/builds", "/changes/n:changeid/builds",
              "/workers/n:workerid/builds"),
    _endpoint("build", COLLECTION, "/builds/n:buildid/triggered_builds",
              name="triggered_builds"),
    _endpoint("buildrequest", SINGLE, "/buildrequests/n:buildrequestid"),
    _endpoint("buildrequest", COLLECTION, "/buildrequests",
              *_below(_BUILDERS, "/buildrequests")),
    _endpoint("buildset", SINGLE, "/buildsets/n:bsid"),
    _endpoint("buildset", COLLECTION, "/buildsets"),
    _endpoint("change", SINGLE, "/changes/n:changeid"),
    _endpoint("change", COLLECTION, "/changes", "/sourcestamps/n:ssid/changes",
              "/buildsets/n:bsid/changes",
              *_below(_BUILDS, "/changes")),
    _endpoint("changesource", SINGLE, "/changesources/n:changesourceid",
              "/masters/n:masterid/changesources/n:changesourceid"),
    _endpoint("changesource", COLLECTION, "/changesources",
              "/masters/n:masterid/changesources"),
    _endpoint("codebase", SINGLE, "/codebases/n:codebaseid",
              "/projects/n:projectid/codebases/i:codebasename"),
    _endpoint("codebase", COLLECTION, "/codebases", "/projects/n:projectid/codebases"),
    _endpoint("commit", SINGLE, "/commits/n:commitid",
              "/codebases/n:codebaseid/commits_by_revision/s:revision"),
    _endpoint("commit", COLLECTION, "/codebases/n:codebaseid/commits"),
    _endpoint("commit_graph", SINGLE, f"{_RANGE}/commits_common_parent"),
    _endpoint("branch", SINGLE, "/branches/n:branchid", plural="branches"),
    _endpoint("branch", COLLECTION, "/codebases/n:codebaseid/branches", plural="branches"),
    _endpoint("forcescheduler", SINGLE, "/forceschedulers/i:schedulername"),
    _endpoint("forcescheduler", COLLECTION, "/forceschedulers",
              "/builders/:builderid/forceschedulers"),
    _endpoint("log", SINGLE, *_LOGS),
    _endpoint("log", COLLECTION, *_below(_OF_STEPS, "/logs")),
    _endpoint("logchunk", SINGLE, "/logchunks", *_below(_LOGS, "/contents"), windowed=True),
    _endpoint("logchunk", RAW, *_below(_LOGS, "/raw"), name="log_raw"),
    _endpoint("logchunk", RAW_INLINE, *_below(_LOGS, "/raw_inline"), name="log_raw"),
    _endpoint("master", SINGLE, "/masters/n:masterid",
              "/builders/n:builderid/masters/n:masterid"),
    _endpoint("master", COLLECTION, "/masters", "/builders/n:builderid/masters"),
    _endpoint("project", SINGLE, "/projects/n:projectid", "/projects/i:projectname"),
    _endpoint("project", COLLECTION, "/projects"),
    _endpoint("sourcedproperties", SINGLE, "/buildsets/n:bsid/properties",
              *_below(_BUILDS, "/properties"), plural="properties", name="properties"),
    _endpoint("_property", COLLECTION, *_below(_BUILDS, "/property_list"),
              "/buildsets/n:bsid/properties_list", "/changes/n:changeid/properties_list",
              plural="_properties", name="property_list"),
    _endpoint("scheduler", SINGLE, "/schedulers/n:schedulerid",
              "/masters/n:masterid/schedulers/n:schedulerid"),
    _endpoint("scheduler", COLLECTION, "/schedulers", "/masters/n:masterid/schedulers"),
    _endpoint("sourcestamp", SINGLE, "/sourcestamps/n:ssid"),
    _endpoint("sourcestamp", COLLECTION, "/sourcestamps",
              "/buildsets/:buildsetid/sourcestamps"),
    _endpoint("step", SINGLE, *_OF_STEPS),
    _endpoint("step", COLLECTION, *_below(_BUILDS, "/steps")),
    _endpoint("test_result_set", SINGLE, "/test_result_sets/n:test_result_setid"),
    _endpoint("test_result_set", COLLECTION, "/test_result_sets",
              *_below(_BUILDERS, "/test_result_sets"), "/builds/n:buildid/test_result_sets",
              "/steps/n:stepid/test_result_sets"),
    _endpoint("test_result_set", COLLECTION, f"{_RANGE}/test_result_sets",
              name="test_result_sets_of_range"),
    _endpoint("test_result", COLLECTION, "/test_result_sets/n:test_result_setid/results"),
    _endpoint("worker", SINGLE, *_WORKERS),
    _endpoint("worker", COLLECTION, "/workers", "/masters/n:masterid/workers",
              "/masters/n:masterid/builders/n:builderid/workers",
              "/builders/n:builderid/workers"),
)  # fmt: skip


@dataclass(slots=True)
class _Node:
    """A place in the tree of patterns."""

    endpoint: Endpoint | None = None
    literal: dict[str, "_Node"] = field(default_factory=dict)
    #: In the order in which they are tried: (kind, name of the argument, node).
    wild: list[tuple[str, str, "_Node"]] = field(default_factory=list)


def _grow(endpoints: tuple[Endpoint, ...]) -> _Node:
    root = _Node()
    for endpoint in endpoints:
        for pattern in endpoint.patterns:
            node = root
            for element in filter(None, pattern.split("/")):
                node = _child(node, element)
            node.endpoint = endpoint
    return root


def _child(node: _Node, element: str) -> _Node:
    kind, colon, name = element.partition(":")
    if not colon:
        return node.literal.setdefault(element, _Node())
    kind = kind or "n"
    for known_kind, known_name, known in node.wild:
        if (known_kind, known_name) == (kind, name):
            return known
    made = _Node()
    node.wild.append((kind, name, made))
    node.wild.sort(key=lambda one: "nis".index(one[0]))
    return made


_ROOT = _grow(ENDPOINTS)


def resolve(segments: Sequence[str]) -> tuple[Endpoint, dict[str, Any]]:
    """The endpoint of a path, given as its segments, and the arguments in it.

    :raises InvalidPath: if nothing is there.
    """
    found = _match(_ROOT, segments, 0, {})
    if found is None:
        raise InvalidPath(f"Invalid path: {'/'.join(segments)}")
    return found


def _match(
    node: _Node, segments: Sequence[str], at: int, args: dict[str, Any]
) -> tuple[Endpoint, dict[str, Any]] | None:
    if at == len(segments):
        return None if node.endpoint is None else (node.endpoint, args)
    segment = segments[at]
    if not segment or "\0" in segment:  # which no name has, and PostgreSQL refuses to look for
        return None
    child = node.literal.get(segment)
    if child is not None:
        found = _match(child, segments, at + 1, args)
        if found is not None:
            return found
    for kind, name, child in node.wild:
        value: Any = segment
        if kind == "n":
            if not is_digits(segment) or len(segment) > _LONGEST_NUMBER:
                continue
            value = min(int(segment), _HIGHEST)
        elif kind == "i" and not IDENTIFIER.fullmatch(segment):
            continue
        found = _match(child, segments, at + 1, {**args, name: value})
        if found is not None:
            return found
    return None
