"""The release notes for people are made of the fragments in docs/changes."""

import re
from pathlib import Path

import pytest

from tests.documentation.blocks import ROOT
from tests.unit.docs.test_reference_files import loaded_tool

tool = loaded_tool("releases")
CHANGES = ROOT / "docs" / "changes"


def test_every_fragment_can_be_read() -> None:
    assert len(tool.read_fragments(CHANGES)) > 80


def test_the_page_is_what_its_fragments_make() -> None:
    """Of the newest id some notes may be missing, until ``make docs`` is run again."""
    written = (ROOT / "docs" / "releases.rst").read_text(encoding="utf-8")
    fragments = tool.read_fragments(CHANGES)
    words = " ".join(written.split())
    there = [one for one in fragments if " ".join(one.text.split()) in words]
    missing = [one for one in fragments if one not in there]
    newest = max(one.id for one in fragments)
    assert [one.file for one in missing if one.id != newest] == [], "run 'make docs'"
    assert written == tool.page(there), "run 'make docs'"


def test_what_has_to_be_done_stands_on_top(tmp_path: Path) -> None:
    for name, text in {
        "1.feature.rst": "Something new.",
        "2.fix.queue1.rst": "Something mended.\nIt has two lines.",
        "1.upgrade.rst": "Do this.",
        "3.removal.web1.rst": "This is gone.",
        "README.rst": "About this folder.",
    }.items():
        (tmp_path / name).write_text(text)
    page = tool.page(tool.read_fragments(tmp_path))
    order = ["Before you upgrade", "This is gone", "Do this", "New", "Something new", "mended."]
    places = [page.index(words, page.index("=\n\nWhat has")) for words in order[1:]]
    assert places == sorted(places)
    assert "- Something mended.\n  It has two lines.\n" in page
    assert "About this folder" not in page


@pytest.mark.parametrize("name", ["new.rst", "1.news.rst", "1.fix.a-b.rst"])
def test_a_file_with_another_name_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("Something.")
    with pytest.raises(tool.BadFragmentError, match=re.escape(name)):
        tool.read_fragments(tmp_path)
