"""Text that every database takes."""

import pytest

from ci_master.storage.texts import storable


@pytest.mark.parametrize(
    ("text", "most", "stored"),
    [
        ("plain", None, "plain"),
        ("grün €\n", None, "grün €\n"),
        ("a\0b", None, "a\ufffdb"),
        ("half \ud800", None, "half ?"),
        ("long", 3, "lon"),
        ("\0\0\0", 2, "\ufffd\ufffd"),
    ],
)
def test_what_cannot_be_held_is_marked_or_cut(text: str, most: int | None, stored: str) -> None:
    assert storable(text, most) == stored
