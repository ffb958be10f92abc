"""A command line: what is executed, and what may be shown of it."""

import os
import shlex
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class CommandLine:
    """A program's arguments, real and as shown.

    :param run: the arguments to execute; on Windows one string, a whole command line, if the
        command was one for the shell.
    :param shown: the same, where obfuscated arguments have their replacement; one string if
        the command was one for the shell. All of it can be encoded.
    """

    run: list[str] | str
    shown: str | list[str]

    def __str__(self) -> str:
        if isinstance(self.shown, str):
            return self.shown
        return " ".join(_quoted(part) for part in self.shown)

    @property
    def program(self) -> str:
        """What is executed first."""
        return self.run.split(" ", 1)[0] if isinstance(self.run, str) else self.run[0]


def command_line(command: Any, environ_comspec: str | None = None) -> CommandLine:
    """Understand the ``command`` argument of the shell command.

    One string is for the shell; a list is arguments, of which ``("obfuscated", real, shown)`` is
    one that must not be seen.
    """
    if isinstance(command, (str, bytes)):
        text = _as_text(command)
        shown = _encodable(text)
        if os.name == "nt":
            shell = environ_comspec or os.environ.get("COMSPEC", "cmd.exe")
            # The shell has quoting of its own: it must get the text as it is.
            return CommandLine(f'{shell} /c "{text}"', shown)
        return CommandLine(["/bin/sh", "-c", text], shown)
    if not command:
        raise ValueError("the command is an empty list")
    pairs = [_real_and_shown(argument) for argument in command]
    return CommandLine(
        [real for real, _ in pairs],
        [_encodable(shown) for _, shown in pairs],
    )


def _real_and_shown(argument: Any) -> tuple[str, str]:
    if isinstance(argument, tuple) and len(argument) == 3 and argument[0] == "obfuscated":
        return _as_text(argument[1]), _as_text(argument[2])
    text = _as_text(argument)
    return text, text


def _as_text(value: Any) -> str:
    return os.fsdecode(value) if isinstance(value, bytes) else str(value)


def _encodable(text: str) -> str:
    """The text without the stand-ins for bytes that are no UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _quoted(text: str) -> str:
    return shlex.quote(text) if text else '""'
