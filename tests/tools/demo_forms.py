# ruff: noqa: E501
"""Force schedulers with every type of parameter, as pages see them."""

from types import SimpleNamespace
from typing import Any

from ci_master.data.actions import ForceRefused
from tests.tools.large_farm import BUILDERS, builder_name


def field(type: str, name: str, **more: Any) -> dict[str, Any]:
    """A parameter as REST describes it."""
    spec = {
        "name": name, "fullName": name, "label": name, "tablabel": name, "type": type,
        "default": "", "required": False, "multiple": False, "regex": None, "hide": False,
        "maxsize": None, "autopopulate": None, "tooltip": "",
    }  # fmt: skip
    return {**spec, **more}


FIELDS = [
    field("username", "username", label="Your name:", size=30, need_email=True),
    field("text", "reason", label="Reason:", default="force build", size=20, required=True),
    field("int", "priority", label="Priority:", default=0, size=10),
    field(
        "nested", "", label="Main repository", layout="vertical", columns=2,
        fields=[
            field("text", "branch", label="Branch:", default="main", size=10),
            field("text", "revision", label="Revision:", size=10),
            field("text", "repository", label="Repository:", size=10),
            field("fixed", "project", label="Project:", default="demo"),
        ],
    ),
    field("text", "title", label="Title:", maxsize=30, size=30, tooltip="Shown in the announcement"),
    field("int", "ticks", label="Ticks:", default=3),
    field("bool", "slow", label="Run the slow tests, too", default=True),
    field("textarea", "notes", label="Notes:", cols=60, rows=4),
    field("list", "level", label="Level:", choices=["debug", "release"], default="debug", strict=True),
    field("list", "target", label="Target:", choices=["x86_64", "arm64"], default="x86_64", strict=False),
    field("list", "parts", label="Parts:", choices=["core", "docs", "tools"], default=["core"], multiple=True, strict=True),
    field("list", "workername", label="Worker:", choices=["-any-", "linux-a", "linux-b"], default="-any-", strict=True),
    field("inherit", "base", label="Start from:", choices=["linux-py312/12", "linux-py312/11"], default=None, strict=True),
    field("file", "artifact", label="Configuration file:", maxsize=10 * 1024 * 1024),
    field(
        "nested", "options", label="Options", layout="tabs", columns=1,
        fields=[
            field(
                "nested", "options_compiler", tablabel="Compiler", label="Compiler", layout="vertical", columns=1,
                fields=[field("text", "cc", fullName="options_cc", label="CC:", default="gcc")],
            ),
            field(
                "nested", "options_linker", tablabel="Linker", label="Linker", layout="vertical", columns=1,
                fields=[field("bool", "lto", fullName="options_lto", label="Link-time optimisation", default=False)],
            ),
        ],
    ),
    field(
        "nested", "extra", label="", layout="simple", columns=1,
        fields=[
            field("text", "name", fullName="extra_name", label="Name:"),
            field("text", "value", fullName="extra_value", label="Value:"),
        ],
    ),
    field("text", "secretly", hide=True, default="x"),
]  # fmt: skip


def force_schedulers() -> list[Any]:
    """What the configuration would have."""
    return [
        SimpleNamespace(
            name="force",
            label="Force a build",
            buttonName="Force a build",
            builderNames=["linux-py311", "linux-py312", "docs", "lint", "deploy staging"],
            enabled=True,
            form_fields=lambda _builder: FIELDS,
        )
    ]


def large_force_schedulers() -> list[Any]:
    """The same form over all builders of the large farm, with a long label."""
    (one,) = force_schedulers()
    one.label = "Build any branch of the platform on any of its builders"
    one.buttonName = "Start the builds that are chosen above"
    one.builderNames = [builder_name(number) for number in range(BUILDERS)]
    return [one]


def register_actions(data: Any) -> None:
    """Actions that do as little as possible."""

    async def force(_name: str, args: dict[str, Any]) -> Any:
        errors = {}
        if len(str(args.get("title", ""))) > 30:
            errors["title"] = f"Title: is too large {len(args['title'])}, maximum is 30"
        if not str(args.get("ticks", "0")).lstrip("-").isdigit():
            errors["ticks"] = "a whole number is needed"
        if errors:
            raise ForceRefused(errors)
        names = args.get("builderNames") or ["lint"]
        return await data.buildsets.add(
            builderids=[data.builders.by_name[name].id for name in names],
            sourcestamps=[{"codebase": "", "branch": args.get("branch"), "revision": None, "repository": "", "project": ""}],
            reason=str(args.get("reason", "")),
            scheduler="force",
            properties={"owner": (str(args.get("owner")), "Force Build Form")},
        )  # fmt: skip

    async def pause(key: Any, args: dict[str, Any]) -> None:
        row = data.workers.by_id.get(key) or data.workers.by_name[key]
        await data.workers.set_paused(row, True, args.get("reason"))

    async def unpause(key: Any, _args: dict[str, Any]) -> None:
        row = data.workers.by_id.get(key) or data.workers.by_name[key]
        await data.workers.set_paused(row, False)

    async def cancel(key: Any, _args: dict[str, Any]) -> None:
        data.requests.complete([key], 6)

    data.actions.register("forceschedulers", "force", force)
    data.actions.register("workers", "pause", pause)
    data.actions.register("workers", "unpause", unpause)
    data.actions.register("buildrequests", "cancel", cancel)
