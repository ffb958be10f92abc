"""Every name that people can write is in docs/reference.

The pages of plugins and commands are made by ``python docs/tools/reference.py``: run it when one
of these tests fails. The page of keys is written by hand.
"""

import argparse
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from ci_master.cli.main import ALIASES, COMMANDS, CommandParser
from ci_master.config.keys import DB_KEYS, KNOWN, METRICS_KEYS
from ci_master.config.model import DEFAULT_VALIDATION
from ci_master.config.www import DEFAULTS
from ci_master.plugin_names import BUILT_IN, LATER
from ci_worker.cli.main import parser as worker_parser

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"


@cache
def literals(page: str = "") -> frozenset[str]:
    """What is marked as ``literal`` on one page, or on any, and its words."""
    names = [page] if page else [path.name for path in REFERENCE.glob("*.rst")]
    found: set[str] = set()
    for name in names:
        text = (REFERENCE / name).read_text(encoding="utf-8")
        for literal in re.findall(r"``(.+?)``", text, re.DOTALL):
            found.update([literal, *re.split(r"[\s\[\]{}:,\"']+", literal)])
    return frozenset(found)


def headings(page: str) -> set[str]:
    """The titles of a page's sections."""
    text = (REFERENCE / page).read_text(encoding="utf-8")
    return set(re.findall(r"^(.+)\n[-=]{3,}$", text, re.MULTILINE))


@cache
def all_headings() -> frozenset[str]:
    return frozenset().union(*(headings(path.name) for path in REFERENCE.glob("*.rst")))


def missing(wanted: Iterator[str] | list[str], known: frozenset[str] | set[str]) -> list[str]:
    return sorted(set(wanted) - known)


def test_every_plugin_is_described() -> None:
    names = [f"{kind}.{name}" for kind, known in BUILT_IN.items() for name in known]
    assert missing(names, all_headings() | literals("util.rst")) == []


def test_every_plugin_that_is_still_to_come_is_said_to_be() -> None:
    names = [name for known in LATER.values() for name in known.split()]
    assert missing(names, literals("later.rst")) == []


def test_no_plugin_that_is_there_is_said_to_be_still_to_come() -> None:
    page = (REFERENCE / "later.rst").read_text(encoding="utf-8")
    for section in re.split(r"\n(?=\w+\n-+\n)", page)[1:]:
        kind, _, text = section.partition("\n")
        listed = set(re.findall(r"``(.+?)``", text))
        assert sorted(listed & BUILT_IN.get(kind, {}).keys()) == []


def test_every_configuration_key_is_described() -> None:
    assert missing(list(KNOWN), literals("configuration.rst")) == []


def test_the_keys_within_keys_are_described() -> None:
    names = [*DEFAULTS, *DB_KEYS, *METRICS_KEYS, *DEFAULT_VALIDATION]
    assert missing(names, literals("configuration.rst")) == []


def options_of(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        if action.help != argparse.SUPPRESS:
            yield from action.option_strings


def test_every_command_of_the_master_is_described_with_its_options() -> None:
    known = literals("commands.rst") | {"-h"}
    for name, (module_name, _) in COMMANDS.items():
        assert f"ci-master {name}" in headings("commands.rst")
        module: Any = import_module(f"ci_master.cli.{module_name}")
        parser = CommandParser(prog=name)
        module.add_arguments(parser)
        assert missing(options_of(parser), known) == [], name
    assert missing(list(ALIASES), known) == []


def test_every_command_of_the_worker_is_described_with_its_options() -> None:
    known = literals("commands.rst") | {"-h"}
    (commands,) = (a for a in worker_parser()._actions if isinstance(a.choices, dict))
    parsers: Any = commands.choices
    for name, parser in parsers.items():
        assert f"ci-worker {name}" in headings("commands.rst")
        assert missing(options_of(parser), known) == [], name
