"""The pages of docs/reference that are made from the code are exactly what is made today."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]
REFERENCE = ROOT / "docs" / "reference"


def loaded_tool(name: str) -> ModuleType:
    """A program of docs/tools as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / "tools" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tool = loaded_tool("reference")


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    pages: dict[str, str] = tool.pages()
    return pages


@pytest.mark.parametrize(
    "name",
    [
        "commands.rst",
        "steps.rst",
        "schedulers.rst",
        "changes.rst",
        "workers.rst",
        "reporters.rst",
        "util.rst",
        "later.rst",
    ],
)
def test_a_page_is_what_the_code_says_today(name: str, made: dict[str, str]) -> None:
    written = (REFERENCE / name).read_text(encoding="utf-8")
    assert written == made[name], "run 'make docs' (python docs/tools/reference.py)"


def test_every_page_is_either_made_or_one_of_two_written_by_hand(made: dict[str, str]) -> None:
    there = {page.name for page in REFERENCE.glob("*.rst")}
    assert there == {*made, "index.rst", "configuration.rst"}


def test_each_item_says_a_type_and_a_sentence(made: dict[str, str]) -> None:
    for name in made.keys() - {"later.rst", "commands.rst"}:
        for item in re.findall(r"^\* (.+(?:\n  .+)*)", made[name], re.MULTILINE):
            text = " ".join(item.split())
            if text.startswith("``util.") and " = " in text:
                continue  # a result and its number
            found = re.fullmatch(r"``\w+`` \((.+?)\): .{6,}[.)\"]", text)
            assert found, f"{name}: {text}"


def test_each_option_of_a_command_says_what_it_does(made: dict[str, str]) -> None:
    for item in re.findall(r"^\* (.+(?:\n  .+)*)", made["commands.rst"], re.MULTILINE):
        text = " ".join(item.split())
        assert re.fullmatch(r"``.+?``(, ``.+?``)*: .{6,}", text), text


def test_a_parameter_without_a_sentence_is_an_error() -> None:
    class Silent:
        """It says what it is."""

        def __init__(self, volume: int = 3) -> None: ...

    Silent.__module__ = "ci_master.steps.silent"
    with pytest.raises(tool.UndocumentedError, match="volume"):
        tool.described("util.Silent", Silent)


def test_a_parameter_without_a_type_is_an_error() -> None:
    class Vague:
        """It says what it is.

        :param volume: how loud it is.
        """

        def __init__(self, volume=None) -> None:  # type: ignore[no-untyped-def]  # the point
            ...

    Vague.__module__ = "ci_master.steps.vague"
    with pytest.raises(tool.UndocumentedError, match="volume"):
        tool.described("util.Vague", Vague)
