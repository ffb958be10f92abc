"""Code bases of projects: those that are configured, and those that were."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from ci_master.data.builders import Projects
from ci_master.data.context import Context
from ci_master.data.model import CodebaseRow
from ci_master.storage import schema


@dataclass(frozen=True)
class CodebaseSpec:
    """What a configuration says of a code base."""

    name: str
    project: str
    slug: str


class Codebases:
    """Code bases by id, and by project and name; REST reads them from storage."""

    def __init__(self, context: Context, projects: Projects) -> None:
        self._context = context
        self._projects = projects
        self.by_id: dict[int, CodebaseRow] = {}
        self.by_name: dict[tuple[int, str], CodebaseRow] = {}

    def load(self, rows: Iterable[CodebaseRow]) -> None:
        """Take what storage holds."""
        for row in rows:
            self._hold(row)

    async def sync(self, specs: Sequence[CodebaseSpec]) -> None:
        """Store those that are configured. One that no longer is stays, with its commits.

        The projects they belong to are stored already.
        """
        store, table = self._context.store, schema.codebases
        act = self._context.transaction("the configured code bases")
        for spec in specs:
            projectid = self._projects.by_name[spec.project].id
            row = self.by_name.get((projectid, spec.name))
            if row is None:
                row = CodebaseRow(store.next_id(table), projectid, spec.name, spec.slug)
                values = {"projectid": projectid, "name": row.name, "slug": row.slug}
                act.insert(table, {"id": row.id, **values})
                act.after_commit(partial(self._hold, row))
            elif row.slug != spec.slug:
                act.update(table, row.id, {"slug": spec.slug})
                act.after_commit(partial(setattr, row, "slug", spec.slug))
            else:
                continue
            act.tell_then(row.as_json, ("codebases", str(row.id), "update"))
        await act.commit()

    def _hold(self, row: CodebaseRow) -> None:
        self.by_id[row.id] = self.by_name[row.projectid, row.name] = row
