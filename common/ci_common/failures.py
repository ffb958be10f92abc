"""Tells in one line what failed, alike in pages, mails, feeds and cards.

``test: exit 1 - 3 failed, 77 passed`` is the step, how its program ended, and the line by which
its log tells what went wrong (:mod:`ci_common.errorline`). What the command was is no part of it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ci_common.errorline import shortened
from ci_common.results import EXCEPTION, FAILURE, WARNINGS, Results

#: Characters of the whole line at most.
LONGEST = 300
#: A shell tells of a signal by an exit code of this and its number.
_SHELL_SIGNALS = 128
#: Their names where most workers run; this machine may number them otherwise, or have none.
_SIGNALS = {
    1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 7: "SIGBUS",
    8: "SIGFPE", 9: "SIGKILL", 10: "SIGUSR1", 11: "SIGSEGV", 12: "SIGUSR2", 13: "SIGPIPE",
    14: "SIGALRM", 15: "SIGTERM", 24: "SIGXCPU", 25: "SIGXFSZ", 31: "SIGSYS",
}  # fmt: skip
#: What a step says of itself where its author has said nothing.
_USUAL_TEXT = re.compile(r"^(?:'.*|finished|pending|running)(?: \(.*\))*$", re.DOTALL)
_OUTCOME = re.compile(rf"(?: \((?:{'|'.join(Results)}|timed out|max lines(?: reached)?)\))+$")


def killed_by(number: int) -> str:
    """That a signal ended a program, by the signal's number and name."""
    name = _SIGNALS.get(number)
    return f"killed by signal {number} ({name})" if name else f"killed by signal {number}"


def out_of_limit(reason: str, limit: Any = None) -> str:
    """Why a worker ended a program, in words; empty if it gave no reason that is known.

    :param reason: as the worker names it.
    :param limit: the value of the limit, if it is known.
    """
    given = isinstance(limit, int | float) and not isinstance(limit, bool)
    if reason == "timeout_without_output":
        return f"timed out: no output for {limit:g} s" if given else "timed out: no output"
    if reason == "timeout":
        return f"timed out: ran longer than maxTime, {limit:g} s" if given else "timed out"
    if reason == "max_lines_failure":
        return f"wrote more than max_lines, {limit:g}" if given else "wrote more than max_lines"
    return ""


def how_it_ended(exit_code: int | None, ending: str) -> str:
    """How the program of a step ended, in words; empty if there was none, or it is not known."""
    if ending:
        return ending
    if exit_code is None:
        return ""
    name = _SIGNALS.get(exit_code - _SHELL_SIGNALS)
    return f"exit {exit_code} (128 + {name})" if name else f"exit {exit_code}"


@dataclass(frozen=True, slots=True)
class StepFailure:
    """What is stored of a step that failed, as far as it tells why.

    :ivar exit_code: of its last program that failed; None if it ran none, or that has not ended.
    :ivar ending: how the program ended, if it did not end by itself: by a signal or a limit.
    :ivar error_line: the line of its log that tells what went wrong, or empty.
    :ivar text: what the step says of itself.
    """

    number: int
    name: str
    results: int | None
    text: str
    exit_code: int | None = None
    ending: str = ""
    error_line: str = ""

    @classmethod
    def of(cls, step: Any) -> "StepFailure":
        """That of a step's row, or of a mapping with the same names."""
        get: Any = step.get if isinstance(step, Mapping) else lambda name: getattr(step, name, None)
        return cls(
            number=get("number"),
            name=get("name"),
            results=get("results"),
            text=get("state_string") or "",
            exit_code=get("exit_code"),
            ending=get("ending") or "",
            error_line=get("error_line") or "",
        )

    @property
    def how(self) -> str:
        """How its program ended; empty if that says nothing of the failure."""
        if self.exit_code == 0 and not self.ending:
            return ""
        return how_it_ended(self.exit_code, self.ending)

    @property
    def why(self) -> str:
        """All but the step's name: ``exit 1 - 3 failed, 77 passed``."""
        told = [part for part in (self.how, self.error_line) if part]
        return shortened(" - ".join(told) or self._own_words, LONGEST)

    @property
    def said(self) -> str:
        """What the step says of itself; empty if that is only its command, or its name."""
        said = "" if _USUAL_TEXT.match(self.text) else _OUTCOME.sub("", self.text)
        return said if said != self.name else ""

    @property
    def _own_words(self) -> str:
        known = self.results in (WARNINGS, FAILURE, EXCEPTION)
        word = Results[self.results or 0] if known else "failure"
        return self.said or word

    @property
    def line(self) -> str:
        """The whole in one line: ``test: exit 1 - 3 failed, 77 passed``."""
        return shortened(f"{self.name}: {self.why}", LONGEST)
