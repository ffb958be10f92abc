"""Builders: those that are configured, and those that were."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ci_master.data.context import Context
from ci_master.data.model import Builder, BuildRow, ProjectRow
from ci_master.storage import schema


@dataclass(frozen=True)
class BuilderSpec:
    """What a configuration says of a builder that others can see."""

    name: str
    description: str | None = None
    description_format: str | None = None
    description_html: str | None = None
    project: str | None = None
    tags: Sequence[str] = field(default_factory=tuple)


@dataclass(frozen=True)
class ProjectSpec:
    """What a configuration says of a project."""

    name: str
    slug: str
    description: str | None = None
    description_format: str | None = None
    description_html: str | None = None


class Projects:
    """Projects by id and name."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.by_id: dict[int, ProjectRow] = {}
        self.by_name: dict[str, ProjectRow] = {}

    def load(self, rows: Iterable[ProjectRow]) -> None:
        """Take what storage holds."""
        for row in rows:
            self.by_id[row.id] = self.by_name[row.name] = row

    async def sync(self, specs: Sequence[ProjectSpec]) -> None:
        """Make them as configured; those no longer configured become inactive."""
        store = self._context.store
        wanted = {spec.name for spec in specs}
        for spec in specs:
            values = {**vars(spec), "active": True}
            row = self.by_name.get(spec.name)
            if row is None:
                row = ProjectRow(store.next_id(schema.projects), **values)
                self.by_id[row.id] = self.by_name[row.name] = row
                store.insert(schema.projects, {"id": row.id, **values})
            else:
                _change(self._context, schema.projects, row, values)
        for row in self.by_name.values():
            if row.name not in wanted:
                _change(self._context, schema.projects, row, {"active": False})
        await store.durable()


class Builders:
    """Builders by id and name, each with its summary."""

    def __init__(self, context: Context, projects: Projects) -> None:
        self._context = context
        self._projects = projects
        self.by_id: dict[int, Builder] = {}
        self.by_name: dict[str, Builder] = {}
        #: Grows with every change of what REST tells of builders.
        self.version = 0
        self._on_master: dict[int, int] = {}  # builder id -> row id in builder_masters

    def load(self, builders: Iterable[Builder], on_master: dict[int, int]) -> None:
        """Take what storage holds."""
        for builder in builders:
            self.by_id[builder.id] = self.by_name[builder.name] = builder
        self._on_master = on_master

    async def sync(self, specs: Sequence[BuilderSpec]) -> None:
        """Make this master's builders as configured, in one transaction."""
        wanted = {spec.name for spec in specs}
        me = self._context.master_id
        for spec in specs:
            builder = self._as_specified(spec)
            if me not in builder.masterids:
                builder.masterids = sorted([*builder.masterids, me])
                self._join(builder)
                self._tell(builder, "started")
        for builder in self.by_name.values():
            if builder.name not in wanted and me in builder.masterids:
                builder.masterids = [id for id in builder.masterids if id != me]
                self._leave(builder)
                self._tell(builder, "stopped")
        self.version += 1
        await self._context.store.durable()

    def _as_specified(self, spec: BuilderSpec) -> Builder:
        store = self._context.store
        project = self._projects.by_name.get(spec.project) if spec.project else None
        values: dict[str, Any] = {
            "description": spec.description,
            "description_format": spec.description_format,
            "description_html": spec.description_html,
            "projectid": project.id if project else None,
            "tags": list(spec.tags),
        }
        builder = self.by_name.get(spec.name)
        if builder is None:
            builder = Builder(store.next_id(schema.builders), spec.name, **values)
            self.by_id[builder.id] = self.by_name[builder.name] = builder
            store.insert(
                schema.builders, {"id": builder.id, "name": builder.name, **_columns(values)}
            )
            store.insert(
                schema.builder_summaries,
                {"id": builder.id, "summary_json": builder.summary.to_text()},
            )
        else:
            changed = {
                key: value for key, value in values.items() if getattr(builder, key) != value
            }
            for key, value in changed.items():
                setattr(builder, key, value)
            if changed:
                store.update(schema.builders, builder.id, _columns(changed))
                self._context.tell(builder.as_json, ("builders", str(builder.id), "update"))
        return builder

    def _join(self, builder: Builder) -> None:
        table, store = schema.builder_masters, self._context.store
        row_id = self._on_master[builder.id] = store.next_id(table)
        link = {"builderid": builder.id, "masterid": self._context.master_id}
        store.insert(table, {"id": row_id, **link})

    def _leave(self, builder: Builder) -> None:
        table = schema.builder_masters
        row_id = self._on_master.pop(builder.id)
        self._context.store.execute(
            lambda tx: tx.execute(table.delete().where(table.c.id == row_id))
        )

    def _tell(self, builder: Builder, event: str) -> None:
        me = self._context.master_id
        self._context.tell(
            lambda: {"builderid": builder.id, "masterid": me, "name": builder.name},
            ("builders", str(builder.id), event),
        )

    def take_number(self, builderid: int) -> int:
        """The number of a builder's next build; each is given once."""
        builder = self.by_id[builderid]
        number = builder.next_number
        builder.next_number = number + 1
        return number

    def count(self, build: BuildRow) -> None:
        """Put a build that has ended into its builder's summary."""
        builder = self.by_id[build.builderid]
        builder.summary.take(build)
        self._context.store.update(
            schema.builder_summaries, builder.id, {"summary_json": builder.summary.to_text()}
        )


def _columns(values: dict[str, Any]) -> dict[str, Any]:
    columns = dict(values)
    if "tags" in columns:
        columns["tags_json"] = json.dumps(columns.pop("tags"))
    return columns


def _change(context: Context, table: Any, row: Any, values: dict[str, Any]) -> None:
    changed = {key: value for key, value in values.items() if getattr(row, key) != value}
    for key, value in changed.items():
        setattr(row, key, value)
    if changed:
        context.store.update(table, row.id, changed)
