"""Find the examples (literal blocks) of the documentation, and say of what kind each one is."""

import ast
import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from docutils import nodes
from docutils.core import publish_doctree

ROOT = Path(__file__).parents[2]

#: Programs that shell examples call, beside ci-master and ci-worker. Debian packages or this
#: project's requirements bring them.
PROGRAMS = frozenset(
    """
    cat cd chmod chown cp createdb createuser curl du env export find git grep htpasswd install
    journalctl kill make mkdir mv nginx openssl pg_dump pg_restore pip psql python python3 rm rsync
    scp sed sha256sum sqlite3 ss ssh ssh-keygen ssh-keyscan su sudo systemctl tail tar touch umask
    useradd
    """.split()  # noqa: SIM905  # a list would be a line for each
)
_COMMAND = re.compile(r"^(?:[A-Z_]+=\S+\s+)*(?:\S*/)?([\w-]+)(?=\s|$)")
_NGINX = re.compile(r"^\s*(?:location|server|upstream|map|proxy_\w+|limit_\w+)\b.*[{;]", re.M)
_INI = re.compile(r"^\[\w+\]$", re.M)
_SQL = re.compile(r"^(?:SELECT|CREATE|ALTER|GRANT|UPDATE|DELETE|VACUUM)\b.*", re.M | re.I)


@dataclass(frozen=True)
class Block:
    """One example.

    :ivar page: path of its page below the project.
    :ivar line: where it begins in the page.
    :ivar section: number of its top section in the page, from 0.
    :ivar note: the comment that stands right before it; empty if there is none.
    :ivar kind: ``python``, ``shell``, ``nginx``, ``ini``, ``sql``, ``json``, ``file``, ``output``,
        ``picture``, ``not run``, or empty if it could not be told.
    """

    page: str
    line: int
    section: int
    note: str
    text: str
    kind: str

    @property
    def where(self) -> str:
        """Page and line, as a test shows it."""
        return f"{self.page}:{self.line}"

    @property
    def file_name(self) -> str:
        """Of kind ``file``: the name of the file that it is."""
        return self.note.removeprefix("file:").strip()


def pages() -> list[Path]:
    """Every page with prose. Release notes and reference pages have no examples of their own."""
    return [ROOT / "README.rst", *sorted((ROOT / "docs").rglob("*.rst"))]


@cache
def blocks_of(page: Path) -> tuple[Block, ...]:
    """The examples of a page, in order."""
    text = page.read_text(encoding="utf-8")
    tree = publish_doctree(
        text, settings_overrides={"report_level": 5, "halt_level": 5, "raw_enabled": False}
    )
    lines = text.splitlines()
    found = []
    at = 0
    for node in tree.findall(nodes.literal_block):
        at = _line_of(node, lines, at)
        found.append(
            Block(
                page=str(page.relative_to(ROOT)),
                line=at + 1,
                section=_section_of(node),
                note=(note := _note_before(node)),
                text=node.astext() + "\n",
                kind=_kind_of(node, note),
            )
        )
        at += 1
    return tuple(found)


def all_blocks() -> list[Block]:
    """The examples of all pages."""
    return [block for page in pages() for block in blocks_of(page)]


def _line_of(node: nodes.literal_block, lines: list[str], begin: int) -> int:
    first = node.astext().split("\n", 1)[0].strip()
    for number in range(begin, len(lines)):
        if lines[number].strip() == first:
            return number
    return begin


def _section_of(node: nodes.Node) -> int:
    """Which of the page's top sections a node is in."""
    above = node
    while above.parent is not None and not isinstance(above.parent, nodes.document):
        above = above.parent
    sections = [one for one in above.parent.children if isinstance(one, nodes.section)]
    return sections.index(above) if above in sections else -1


def _note_before(node: nodes.literal_block) -> str:
    """The comment right before a block."""
    place = node.parent.index(node)
    if place and isinstance(node.parent[place - 1], nodes.comment):
        return " ".join(node.parent[place - 1].astext().split())
    return ""


def _kind_of(node: nodes.literal_block, note: str) -> str:
    for kind in ("not run", "file", "output", "picture"):
        if note.startswith(kind):
            return kind
    classes = node.get("classes", [])
    text = node.astext()
    for kind in ("python", "shell", "nginx", "ini", "sql", "json"):
        if kind in classes:
            return kind
    if _is_shell(text):
        return "shell"
    if _INI.search(text):
        return "ini"
    if _is_json(text):
        return "json"
    if _is_python(text):
        return "python"
    if _NGINX.search(text):
        return "nginx"
    return "sql" if _SQL.match(text) else ""


def _is_shell(text: str) -> bool:
    first = next(line for line in text.splitlines() if line and not line.startswith("#"))
    found = _COMMAND.match(first)
    return bool(found) and found[1] in PROGRAMS | {"ci-master", "ci-worker"}


def _is_python(text: str) -> bool:
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict | list)
    except ValueError:
        return False
