"""Builders: those that are configured, and those that were."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ci_master.data.context import Context
from ci_master.data.model import Builder, BuildRow, ProjectRow
from ci_master.storage import schema
from ci_master.storage.transaction import Transaction


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
        act = self._context.transaction("the configured projects")
        wanted = {spec.name: {**vars(spec), "active": True} for spec in specs}
        for name, values in wanted.items():
            row = self.by_name.get(name)
            if row is None:
                row = ProjectRow(self._context.store.next_id(schema.projects), **values)
                act.insert(schema.projects, {"id": row.id, **values})
                act.after_commit(partial(self._add, row))
            else:
                _change(act, schema.projects, row, values)
        for row in self.by_name.values():
            if row.name not in wanted:
                _change(act, schema.projects, row, {"active": False})
        await act.commit()

    def _add(self, row: ProjectRow) -> None:
        self.by_id[row.id] = self.by_name[row.name] = row


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
        act = self._context.transaction("the configured builders")
        me = self._context.master_id
        wanted = {spec.name: spec for spec in specs}
        for spec in wanted.values():
            builder = self._as_specified(act, spec)
            if me not in builder.masterids:
                self._join(act, builder)
        for builder in self.by_name.values():
            if builder.name not in wanted and me in builder.masterids:
                self._leave(act, builder)
        act.after_commit(self._grow_version)
        await act.commit()

    def _grow_version(self) -> None:
        self.version += 1

    def _as_specified(self, act: Transaction, spec: BuilderSpec) -> Builder:
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
            row = {"id": builder.id, "name": builder.name, **_columns(values)}
            act.insert(schema.builders, row)
            summary = {"id": builder.id, "summary_json": builder.summary.to_text()}
            act.insert(schema.builder_summaries, summary)
            act.after_commit(partial(self._add, builder))
        elif _change(act, schema.builders, builder, values):
            act.tell_then(builder.as_json, ("builders", str(builder.id), "update"))
        return builder

    def _add(self, builder: Builder) -> None:
        self.by_id[builder.id] = self.by_name[builder.name] = builder

    def _join(self, act: Transaction, builder: Builder) -> None:
        table, me = schema.builder_masters, self._context.master_id
        row_id = self._context.store.next_id(table)
        act.insert(table, {"id": row_id, "builderid": builder.id, "masterid": me})

        def joined() -> None:
            self._on_master[builder.id] = row_id
            builder.masterids = sorted([*builder.masterids, me])

        act.after_commit(joined)
        self._tell(act, builder, "started")

    def _leave(self, act: Transaction, builder: Builder) -> None:
        table, me = schema.builder_masters, self._context.master_id
        row_id = self._on_master[builder.id]
        act.run(lambda tx: tx.execute(table.delete().where(table.c.id == row_id)))

        def left() -> None:
            del self._on_master[builder.id]
            builder.masterids = [id for id in builder.masterids if id != me]

        act.after_commit(left)
        self._tell(act, builder, "stopped")

    def _tell(self, act: Transaction, builder: Builder, event: str) -> None:
        me = self._context.master_id
        act.tell(
            lambda: {"builderid": builder.id, "masterid": me, "name": builder.name},
            ("builders", str(builder.id), event),
        )

    def take_number(self, builderid: int) -> int:
        """The number of a builder's next build; each is given once."""
        builder = self.by_id[builderid]
        number = builder.next_number
        builder.next_number = number + 1
        return number

    def count(self, act: Transaction, build: BuildRow) -> None:
        """Put a build that has ended into its builder's summary.

        It may be told of once more, if it could not be stored as it was.
        """
        builder = self.by_id[build.builderid]
        builder.summary.take(build)
        text = builder.summary.to_text()
        act.update(schema.builder_summaries, builder.id, {"summary_json": text})


def _columns(values: dict[str, Any]) -> dict[str, Any]:
    columns = dict(values)
    if "tags" in columns:
        columns["tags_json"] = json.dumps(columns.pop("tags"))
    return columns


def _change(act: Transaction, table: Any, row: Any, values: dict[str, Any]) -> bool:
    """Change what differs, in storage and then in memory; gives whether anything does."""
    changed = {key: value for key, value in values.items() if getattr(row, key) != value}
    if not changed:
        return False
    act.update(table, row.id, _columns(changed))

    def apply() -> None:
        for key, value in changed.items():
            setattr(row, key, value)

    act.after_commit(apply)
    return True
