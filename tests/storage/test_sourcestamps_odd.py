"""Source stamps as users' properties make them."""

from typing import Any

import pytest

from tests.storage.harness import Desk


def test_numbers_are_taken_as_text(desk: Desk) -> None:
    stamps: list[Any] = [
        {"branch": "b", "revision": 7, "repository": "r"},
        {"branch": "b", "revision": "7", "repository": "r"},
    ]
    first, second = desk.run(desk.data.sourcestamps.resolve(stamps))
    assert first["ssid"] == second["ssid"]
    assert first["revision"] == "7"


def test_half_of_a_surrogate_pair_is_marked(desk: Desk) -> None:
    (stamp,) = desk.run(desk.data.sourcestamps.resolve([{"branch": "b\ud800\0"}]))
    assert stamp["branch"] == "b?\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize("value", [True, ["b"], {"b": 1}])
def test_what_is_no_text_is_named(desk: Desk, value: Any) -> None:
    with pytest.raises(TypeError, match="the branch of a source stamp must be text"):
        desk.run(desk.data.sourcestamps.resolve([{"branch": value}]))


def test_what_is_too_long_is_refused_and_not_cut(desk: Desk) -> None:
    for key, most in (("branch", 256), ("revision", 256), ("repository", 512)):
        (stamp,) = desk.run(desk.data.sourcestamps.resolve([{key: "x" * most}]))
        assert len(stamp[key]) == most
        with pytest.raises(ValueError, match=f"the {key} of a source stamp has"):
            desk.run(desk.data.sourcestamps.resolve([{key: "x" * (most + 1)}]))
