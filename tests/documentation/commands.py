"""Check the commands of shell examples: the program is known, and ours have these options."""

import argparse
import contextlib
import io
import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import PurePosixPath
from typing import Any

from ci_master.cli.main import ALIASES, COMMANDS, CommandParser
from ci_worker.cli.main import parser as worker_parser
from tests.documentation.blocks import PROGRAMS, Block

_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_HEREDOC = re.compile(r"<<-?\s*'?(\w+)'?")


class WrongCommand(Exception):
    """What is wrong with a command of an example."""


def commands_of(block: Block) -> Iterator[list[str]]:
    """The words of each simple command; what here-documents hold is left out."""
    lines = iter(re.sub(r"\\\n\s*", " ", block.text).splitlines())
    text = []
    for line in lines:
        text.append(line)
        found = _HEREDOC.search(line)
        while found and next(lines).strip() != found[1]:
            pass
    lexer = shlex.shlex("\n".join(text), posix=True, punctuation_chars=";&|<>()\n")
    lexer.whitespace = " \t\r"
    lexer.whitespace_split = True
    command: list[str] = []
    for word in [*lexer, ";"]:
        if word and set(word) <= set(";&|()\n"):
            if command:
                yield command
            command = []
        else:
            command.append(word)


def check_commands(block: Block) -> None:
    """Look at each command of an example.

    :raises WrongCommand: for a program that is not known, or an option that ours does not have.
    """
    for words in commands_of(block):
        while words and _ASSIGNMENT.match(words[0]):
            words = words[1:]
        if not words:
            continue
        words = _without_redirection(words)
        words = _without_prefix(words)
        program = PurePosixPath(words[0]).name
        if program == "ci-master":
            _parse(_master_parser(words), words[1:])
        elif program == "ci-worker":
            _parse(worker_parser(), words[1:])
        elif program not in PROGRAMS:
            raise WrongCommand(f"unknown program {program!r}: {shlex.join(words)}")


def _without_prefix(words: list[str]) -> list[str]:
    """Without ``sudo -u USER``, ``env -i NAME=VALUE`` and ``exec``."""
    while words[0] in ("sudo", "env", "exec", "nohup", "setsid"):
        words = words[1:]
        while len(words) > 1 and (words[0].startswith("-") or _ASSIGNMENT.match(words[0])):
            words = words[2 if words[0] == "-u" else 1 :]
    return words


def _without_redirection(words: list[str]) -> list[str]:
    kept = []
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word.rstrip("<>&") in ("", "2") and word[-1:] in "<>":
            skip = True
        else:
            kept.append(word)
    return kept


def _master_parser(words: list[str]) -> argparse.ArgumentParser:
    while words[1:2] == ["--verbose"]:
        del words[1]
    name = ALIASES.get(words[1], words[1]) if len(words) > 1 else ""
    if name not in COMMANDS:
        raise WrongCommand(f"ci-master has no command {name!r}")
    module: Any = import_module(f"ci_master.cli.{COMMANDS[name][0]}")
    parser = CommandParser(prog=f"ci-master {name}")
    module.add_arguments(parser)
    del words[1]
    return parser


def _parse(parser: argparse.ArgumentParser, words: list[str]) -> None:
    told = io.StringIO()
    try:
        with contextlib.redirect_stderr(told), contextlib.redirect_stdout(told):
            parser.parse_args(words)
    except (SystemExit, argparse.ArgumentError) as error:
        if getattr(error, "code", 1) != 0:
            raise WrongCommand(f"{parser.prog} {shlex.join(words)}: {told.getvalue()}") from None
