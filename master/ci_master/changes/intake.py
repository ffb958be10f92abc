"""The one gate for changes: whatever noticed a change hands its fields in here."""

from typing import Any

from ci_common.aio import call_override

__all__ = ["add_change"]


async def add_change(data: Any, **fields: Any) -> int:
    """Store a change and announce it.

    A ``category`` that is a callable gets the fields and gives the category. Fields that are
    None count as not given.

    :param fields: author, comments, and as known committer, files, revision, when_timestamp,
        branch, category, revlink, properties, repository, codebase, project, src.
    :returns: its changeid; the change is durable then.
    """
    fields = {name: value for name, value in fields.items() if value is not None}
    fields.setdefault("author", "")
    fields.setdefault("comments", "")
    category = fields.get("category")
    if callable(category):
        fields["category"] = await call_override(category, dict(fields))
    return int(await data.changes.add(**fields))
