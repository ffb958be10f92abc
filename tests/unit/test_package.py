"""What the package says of itself: dependencies that a user can ask for by name."""

import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import setuptools  # type: ignore[import-untyped]  # it has no types

SETUP = Path(__file__).parents[2] / "setup.py"


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """The arguments of setup()."""
    given: dict[str, Any] = {}
    monkeypatch.setattr(setuptools, "setup", given.update)
    monkeypatch.chdir(SETUP.parent)
    runpy.run_path(str(SETUP))
    yield given


@pytest.mark.parametrize("extra", ["markdown", "lz4", "brotli", "postgresql"])
def test_what_is_optional_has_an_extra_and_is_there_for_the_tests(
    said: dict[str, Any], extra: str
) -> None:
    assert said["extras_require"][extra]
    assert set(said["extras_require"][extra]) <= set(said["extras_require"]["test"])
