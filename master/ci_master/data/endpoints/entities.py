"""The fields of each resource type and their types, as REST shows them."""

from collections.abc import Mapping

Fields = Mapping[str, str]


def _fields(**types: str) -> Fields:
    """Expand the short names of types."""
    return {name: _TYPES.get(type_name, type_name) for name, type_name in types.items()}


_TYPES = {
    "int": "integer",
    "str": "string",
    "ident": "identifier",
    "bool": "boolean",
    "time": "datetime",
    "ints": "list of integer",
    "strs": "list of string",
    "idents": "list of identifier",
    "objects": "list of object",
}

#: Type -> field -> type of its value.
ENTITIES: Mapping[str, Fields] = {
    "build_data": _fields(buildid="int", name="str", length="int", value="str", source="str"),
    "builder": _fields(
        builderid="int", name="str", masterids="ints", description="str",
        description_format="str", description_html="str", projectid="int", tags="strs",
    ),
    "build": _fields(
        buildid="int", number="int", builderid="int", buildrequestid="int", workerid="int",
        masterid="int", started_at="time", complete="bool", complete_at="time",
        locks_duration_s="int", results="int", state_string="str",
        properties="sourcedproperties",
    ),
    "buildrequest": _fields(
        buildrequestid="int", buildsetid="int", builderid="int", priority="int",
        claimed="bool", claimed_at="time", claimed_by_masterid="int", complete="bool",
        results="int", submitted_at="time", complete_at="time", waited_for="bool",
        properties="sourcedproperties",
    ),
    "buildset": _fields(
        bsid="int", external_idstring="str", reason="str", rebuilt_buildid="int",
        submitted_at="int", complete="bool", complete_at="int", results="int",
        sourcestamps="objects", parent_buildid="int", parent_relationship="str",
    ),
    "branch": _fields(
        branchid="int", codebaseid="int", name="str", commitid="int", last_timestamp="int"
    ),
    "change": _fields(
        changeid="int", parent_changeids="ints", author="str", committer="str", files="strs",
        comments="str", revision="str", when_timestamp="int", branch="str", category="str",
        revlink="str", properties="sourcedproperties", repository="str", project="str",
        codebase="str", sourcestamp="object",
    ),
    "changesource": _fields(changesourceid="int", name="str", master="object"),
    "codebase": _fields(codebaseid="int", projectid="int", name="ident", slug="ident"),
    "commit": _fields(
        commitid="int", codebaseid="int", author="str", committer="str", comments="str",
        when_timestamp="int", revision="str", parent_commitid="int",
    ),
    "commit_graph": _fields(common="int", to1="ints", to2="ints"),
    "forcescheduler": _fields(
        name="ident", button_name="str", label="str", builder_names="idents", enabled="bool",
        all_fields="objects",
    ),
    "log": _fields(
        logid="int", name="str", slug="ident", stepid="int", complete="bool", num_lines="int",
        type="ident",
    ),
    "logchunk": _fields(logid="int", firstline="int", content="str"),
    "master": _fields(masterid="int", name="str", active="bool", last_active="time"),
    "project": _fields(
        projectid="int", name="ident", slug="ident", active="bool", description="str",
        description_format="str", description_html="str",
    ),
    "property": {},
    "_property": _fields(name="str", source="str", value="str"),
    "rootlink": _fields(name="str"),
    "scheduler": _fields(schedulerid="int", name="str", enabled="bool", master="object"),
    "sourcestamp": _fields(
        ssid="int", revision="str", branch="str", repository="str", project="str",
        codebase="str", patch="object", created_at="time",
    ),
    "spec": _fields(path="str", type="str", plural="str", type_spec="object"),
    "step": _fields(
        stepid="int", number="int", name="ident", buildid="int", started_at="time",
        locks_acquired_at="time", complete="bool", complete_at="time", results="int",
        state_string="str", urls="objects", hidden="bool",
    ),
    "test_result": _fields(
        test_resultid="int", builderid="int", test_result_setid="int", test_name="str",
        test_code_path="str", line="int", duration_ns="int", value="str",
    ),
    "test_result_set": _fields(
        test_result_setid="int", builderid="int", buildid="int", stepid="int",
        description="str", category="str", value_unit="str", tests_passed="int",
        tests_failed="int", complete="bool",
    ),
    "worker": _fields(
        workerid="int", name="str", connected_to="objects", configured_on="objects",
        workerinfo="object", paused="bool", pause_reason="str", graceful="bool",
    ),
}  # fmt: skip


def type_spec(type_name: str) -> dict[str, object]:
    """A resource type as ``/application.spec`` describes it."""
    fields = [
        {"name": name, "type": kind, "type_spec": {"name": kind}}
        for name, kind in ENTITIES[type_name].items()
    ]
    return {"type": type_name, "fields": fields}
