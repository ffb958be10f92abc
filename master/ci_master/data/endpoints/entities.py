"""The fields of each resource type and their types, as REST shows them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: Kinds of values: what a field may be compared with, and whether it has an order.
NUMBER, TRUTH, TEXT, LIST, STRUCTURE = "number", "truth value", "text", "list", "structure"

#: What a value of the type ``identifier`` looks like.
IDENTIFIER = re.compile(r"[a-zA-Z\u00a0-\U0010ffff_-][a-zA-Z0-9\u00a0-\U0010ffff._-]*")

_KINDS = {
    "integer": NUMBER,
    "datetime": NUMBER,
    "boolean": TRUTH,
    "string": TEXT,
    "identifier": TEXT,
    "binary": STRUCTURE,
    "jsonobject": STRUCTURE,
    "sourcedproperties": STRUCTURE,
}


@dataclass(frozen=True, slots=True)
class FieldType:
    """The type of a field.

    :param name: a type without parts, or a key of :data:`ENTITIES`; of lists, that of its items.
    """

    name: str
    nullable: bool = False
    is_list: bool = False

    @property
    def kind(self) -> str:
        """What may be asked of its value."""
        return LIST if self.is_list else _KINDS.get(self.name, STRUCTURE)

    def described(self) -> dict[str, Any]:
        """The type in words of ``/application.spec``."""
        found: dict[str, Any] = {"name": self.name}
        if self.name in ENTITIES:
            found = type_spec(self.name)
        if self.is_list:
            return {"type": "list", "of": found}
        return {**found, "can_be_null": True} if self.nullable else found

    def __str__(self) -> str:
        if self.is_list:
            return "list"
        return f"{self.name} or None" if self.nullable else self.name


Fields = Mapping[str, FieldType]

_NAMES = {
    "int": "integer",
    "str": "string",
    "ident": "identifier",
    "bool": "boolean",
    "time": "datetime",
    "json": "jsonobject",
    "props": "sourcedproperties",
}


def _fields(**types: str) -> Fields:
    """Read the short forms of types: ``int?`` may be null, ``[int]`` is a list of them."""
    found = {}
    for field, text in types.items():
        name = text.strip("[]?")
        found[field] = FieldType(_NAMES.get(name, name), text.endswith("?"), text.startswith("["))
    return found


#: Type -> field -> type of its value; also of what is only a part of resources.
ENTITIES: Mapping[str, Fields] = {
    "Url": _fields(name="str", url="str"),
    "_property": _fields(name="str", source="str", value="json"),
    "branch": _fields(
        branchid="int", codebaseid="int", name="str", commitid="int", last_timestamp="int",
    ),
    "build": _fields(
        buildid="int", number="int", builderid="int", buildrequestid="int", workerid="int",
        masterid="int", started_at="time", complete="bool", complete_at="time?",
        locks_duration_s="int", results="int?", state_string="str", properties="props?",
    ),
    "build_data": _fields(buildid="int", name="str", length="int", value="binary?", source="str"),
    "builder": _fields(
        builderid="int", name="str", masterids="[int]", description="str?",
        description_format="str?", description_html="str?", projectid="int?", tags="[str]",
    ),
    "buildrequest": _fields(
        buildrequestid="int", buildsetid="int", builderid="int", priority="int",
        claimed="bool", claimed_at="time?", claimed_by_masterid="int?", complete="bool",
        results="int?", submitted_at="time", complete_at="time?", waited_for="bool",
        properties="props?",
    ),
    "buildset": _fields(
        bsid="int", external_idstring="str?", reason="str", rebuilt_buildid="int?",
        submitted_at="int", complete="bool", complete_at="int?", results="int?",
        sourcestamps="[sourcestamp]", parent_buildid="int?", parent_relationship="str?",
    ),
    "change": _fields(
        changeid="int", parent_changeids="[int]", author="str", committer="str",
        files="[str]", comments="str", revision="str?", when_timestamp="int", branch="str?",
        category="str?", revlink="str?", properties="props", repository="str", project="str",
        codebase="str", sourcestamp="sourcestamp",
    ),
    "changesource": _fields(changesourceid="int", name="str", master="master?"),
    "codebase": _fields(codebaseid="int", projectid="int", name="ident", slug="ident"),
    "commit": _fields(
        commitid="int", codebaseid="int", author="str", committer="str?", comments="str",
        when_timestamp="int", revision="str", parent_commitid="int?",
    ),
    "commit_graph": _fields(common="int", to1="[int]", to2="[int]"),
    "forcescheduler": _fields(
        name="ident", button_name="str", label="str", builder_names="[ident]", enabled="bool",
        all_fields="[json]",
    ),
    "log": _fields(
        logid="int", name="str", slug="ident", stepid="int", complete="bool", num_lines="int",
        type="ident",
    ),
    "logchunk": _fields(logid="int", firstline="int", content="str"),
    "master": _fields(masterid="int", name="str", active="bool", last_active="time"),
    "master_builder": _fields(masterid="int", builderid="int"),
    "master_id": _fields(masterid="int"),
    "patch": _fields(
        patchid="int", body="binary", level="int", subdir="str", author="str", comment="str",
    ),
    "project": _fields(
        projectid="int", name="ident", slug="ident", active="bool?", description="str?",
        description_format="str?", description_html="str?",
    ),
    "rootlink": _fields(name="str"),
    "scheduler": _fields(schedulerid="int", name="str", enabled="bool", master="master?"),
    "sourcestamp": _fields(
        ssid="int", revision="str?", branch="str?", repository="str", project="str",
        codebase="str", patch="patch?", created_at="time",
    ),
    "spec": _fields(path="str", type="str", plural="str", type_spec="json"),
    "step": _fields(
        stepid="int", number="int", name="ident", buildid="int", started_at="time?",
        locks_acquired_at="time?", complete="bool", complete_at="time?", results="int?",
        state_string="str", urls="[Url]", hidden="bool",
    ),
    "test_result": _fields(
        test_resultid="int", builderid="int", test_result_setid="int", test_name="str?",
        test_code_path="str?", line="int?", duration_ns="int?", value="str",
    ),
    "test_result_set": _fields(
        test_result_setid="int", builderid="int", buildid="int", stepid="int",
        description="str?", category="str", value_unit="str", tests_passed="int?",
        tests_failed="int?", complete="bool",
    ),
    "worker": _fields(
        workerid="int", name="str", connected_to="[master_id]",
        configured_on="[master_builder]", workerinfo="json", paused="bool",
        pause_reason="str?", graceful="bool",
    ),
    "sourcedproperties": {},
}  # fmt: skip


def type_spec(type_name: str) -> dict[str, Any]:
    """A resource type as ``/application.spec`` describes it."""
    fields = ENTITIES[type_name]
    if not fields:
        return {"name": type_name}
    return {
        "type": type_name,
        "fields": [
            {"name": name, "type": str(field_type), "type_spec": field_type.described()}
            for name, field_type in fields.items()
        ],
    }
