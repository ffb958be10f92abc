"""Write docs/releases.rst, the release notes for people, from the fragments in docs/changes.

``make docs`` runs it, or::

    python docs/tools/releases.py

What has to be done when upgrading stands on top; then what is new and what was mended, by part of
the product, the newest first.
"""

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1]

_HEAD = """\
.. Made by docs/tools/releases.py of the fragments in docs/changes: run 'make docs'.

=============
Release notes
=============

What has changed for those who use, operate or extend the product. In each list the newest note
comes first. Read `Before you upgrade`_ before each upgrade; `Operating a master
<manual/running.rst>`_ has the commands.
"""

#: What the ids of fragments begin with, and the part of the product that it stands for.
_AREAS = {
    "queue": "Requests and order",
    "builds": "Builds and steps",
    "steps": "Builds and steps",
    "failures": "Builds and steps",
    "intake": "Changes and schedulers",
    "reload": "Configuration and reload",
    "ops": "Operating",
    "storage": "Operating",
    "soak": "Operating",
    "worker": "Workers",
    "web": "Pages",
    "live": "Pages",
    "waterfall": "Pages",
    "front": "Pages",
    "rest": "REST and live events",
    "hostile": "Security",
    "docs": "Documentation",
}
_OTHERS = "More"

_NAME = re.compile(
    r"(?P<id>\d+)\.(?P<kind>feature|fix|deprecation|removal|upgrade)(?:\.(?P<rest>\w+))?\.rst"
)

#: Kinds that ask something of whoever upgrades.
_TO_DO = ("upgrade", "removal", "deprecation")


@dataclass(frozen=True)
class Fragment:
    """One note.

    :ivar id: number of the issue or merge request: a higher one is newer.
    :ivar kind: feature, fix, deprecation, removal or upgrade.
    """

    file: str
    id: int
    kind: str
    rest: str
    text: str

    @property
    def area(self) -> str:
        """The part of the product that it is about."""
        return _AREAS.get(self.rest.rstrip("0123456789"), _OTHERS)


class BadFragmentError(Exception):
    """A file of docs/changes that is no note."""


def read_fragments(directory: Path) -> list[Fragment]:
    """All notes of a directory, newest first.

    :raises BadFragmentError: for a file with another name, or without text.
    """
    found = []
    for path in sorted(directory.glob("*.rst")):
        if path.name == "README.rst":
            continue
        match = _NAME.fullmatch(path.name)
        text = path.read_text(encoding="utf-8").strip()
        if match is None:
            raise BadFragmentError(f"{path.name}: write ID.KIND.rst or ID.KIND.NAME.rst")
        if not text:
            raise BadFragmentError(f"{path.name} is empty")
        found.append(
            Fragment(path.name, int(match["id"]), match["kind"], match["rest"] or "", text)
        )
    return sorted(found, key=lambda one: (-one.id, one.area == _OTHERS, one.area, one.file))


def page(fragments: Iterable[Fragment]) -> str:
    """The text of docs/releases.rst."""
    notes = list(fragments)
    out = [_HEAD]
    to_do = [one for one in notes if one.kind in _TO_DO]
    out.append(_title("Before you upgrade", "="))
    out.append(_items(to_do) if to_do else "Nothing has to be done.\n")
    for kind, words in (("feature", "New"), ("fix", "Mended")):
        chosen = [one for one in notes if one.kind == kind]
        if not chosen:
            continue
        out.append(_title(words, "="))
        for area in sorted({one.area for one in chosen}, key=lambda name: (name == _OTHERS, name)):
            out.append(_title(area, "-"))
            out.append(_items(one for one in chosen if one.area == area))
    return "\n".join(out).rstrip() + "\n"


def _title(text: str, mark: str) -> str:
    return f"{text}\n{mark * len(text)}\n"


def _items(notes: Iterable[Fragment]) -> str:
    return "\n".join(_item(one.text) for one in notes)


def _item(text: str) -> str:
    first, *rest = text.splitlines()
    lines = [f"- {first}", *(f"  {line}" if line.strip() else "" for line in rest)]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write it."""
    (DOCS / "releases.rst").write_text(page(read_fragments(DOCS / "changes")), encoding="utf-8")
    print("wrote docs/releases.rst")
    return 0


if __name__ == "__main__":
    sys.exit(main())
