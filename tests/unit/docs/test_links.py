"""What the docs point to is there, and every page can be reached from the README."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]


def pages() -> list[Path]:
    return [ROOT / "README.rst", *sorted((ROOT / "docs").rglob("*.rst"))]


def targets(page: Path) -> set[Path]:
    """The files that a page links to, or shows as images."""
    text = page.read_text(encoding="utf-8")
    found = re.findall(r"<([^<>`\s]+)>`_", text) + re.findall(r"image:: (\S+)", text)
    return {(page.parent / one).resolve() for one in found if "://" not in one}


def test_no_link_is_broken() -> None:
    broken = [
        (str(page.relative_to(ROOT)), target.name)
        for page in pages()
        for target in targets(page)
        if not target.exists()
    ]
    assert broken == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    waiting = {(ROOT / "README.rst").resolve()}
    while waiting:
        page = waiting.pop()
        reached.add(page)
        waiting |= {one for one in targets(page) if one.suffix == ".rst"} - reached
    notes = ROOT / "docs" / "changes"
    lost = [page for page in pages() if page.resolve() not in reached and page.parent != notes]
    assert lost == []
