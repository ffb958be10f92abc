"""The revisions that a build has built: what its property ``got_revision`` says."""

import json
from collections.abc import Mapping
from typing import Any


def got_revisions(value: Any) -> dict[str, str]:
    """Codebase -> revision, from the value of the property.

    It is one revision, of the only codebase, or a dict of them by codebase.
    """
    given = value if isinstance(value, Mapping) else {"": value}
    return {
        str(codebase): str(revision)
        for codebase, revision in given.items()
        if isinstance(revision, str | int) and not isinstance(revision, bool) and str(revision)
    }


def to_text(got: Mapping[str, str]) -> str:
    """As stored; "" for nothing."""
    return json.dumps(got, separators=(",", ":"), sort_keys=True) if got else ""


def from_text(text: str) -> dict[str, str]:
    """From what :func:`to_text` gave."""
    return dict(json.loads(text)) if text else {}


def built(got: Mapping[str, str], codebase: str, revision: str | None) -> str | None:
    """The revision of a source: as it was asked for, or else as it was found.

    :param revision: as asked for; None: the newest one.
    """
    return revision or got.get(codebase)
