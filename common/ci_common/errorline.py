"""Finds the line by which a log itself tells what went wrong.

Tools that count what failed (test runners) say it in a summary; compilers name a place; programs
in Python, Java, Go and Rust leave a traceback; most others begin a line with ``error:`` or
``fatal:``. Where several such lines are in the end of a log, the one that says most is taken: the
summary before the first error at a place, and that before ``make: *** [all] Error 2``, which only
repeats that something failed.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

#: Characters of an error line at most.
LONGEST = 200
#: So much of the end of a log is looked at, in bytes.
END_BYTES = 32 * 1024
#: Of a line only so many characters are looked at.
_LOOKED_AT = 400
#: So many lines that may tell an error are looked at closely, from either end of the text.
_CANDIDATES = 80

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|\x1b[@-Z\\-_]"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)


def plain(text: str) -> str:
    """A text without what a terminal would obey."""
    return _ESCAPES.sub("", text)


def shortened(text: str, longest: int = LONGEST) -> str:
    """A text on one line, with an ellipsis at its end if it is too long."""
    text = " ".join(plain(text.replace("\t", " ").replace("\n", " ")).split())
    return (
        text if len(text) <= longest else text[: longest - 1].rstrip() + "\N{HORIZONTAL ELLIPSIS}"
    )


@dataclass(frozen=True, slots=True)
class _Rule:
    """A kind of line, how much it says (0 is most), and which of several counts."""

    rank: int
    pattern: re.Pattern[str]
    last: bool = False
    #: whether a line that ends with a colon goes on in the next one
    joins: bool = False
    #: whether the pattern is looked for within the line, which is then taken whole
    within: bool = False

    def read(self, line: str) -> str | None:
        """What the line says, if it is of this kind."""
        if self.within:
            return line if self.pattern.search(line) else None
        match = self.pattern.match(line)
        return match["m"] if match else None


def _rules(
    rank: int, *patterns: str, last: bool = False, joins: bool = False, within: bool = False
) -> list[_Rule]:
    return [_Rule(rank, re.compile(one), last, joins, within) for one in patterns]


_SOME = r"[1-9]\d*"
_PATH = r"(?:[A-Za-z]:)?[^\s:(][^:(\n]*"

#: The first that fits says of what kind a line is.
_RULES: Sequence[_Rule] = [
    # What counts the failures; the last one is that of the whole run.
    *_rules(
        0,
        # pytest, with or without its frame
        rf"=* ?(?P<m>(?:\d+ [a-z]+, )*{_SOME} (?:failed|errors?)(?:, \d+ [a-z ]+)*) in [\d.]+ ?s",
        # unittest, trial
        r"(?P<m>FAILED \([^)]*(?:failures|errors|unexpected ?[sS]uccesses)=\d+[^)]*\))",
        rf"(?P<m>\d+% tests passed, {_SOME} tests? failed out of \d+)",  # ctest
        rf"(?P<m>test result: FAILED\. \d+ passed; {_SOME} failed)",  # cargo test
        rf"\s*Tests:?\s+(?P<m>{_SOME} failed\b.*)",  # jest, vitest
        rf"\s*(?P<m>{_SOME} failing)\s*$",  # mocha
        # surefire, JUnit, Ant
        r"\s*(?:\[\w+\]\s*)*(?P<m>Tests run: \d+,(?=.*(?:Failures|Errors): *[1-9])[^<]*?)"
        r"(?:, Time elapsed.*)?\s*$",
        rf"(?P<m>\d+ tests? completed, {_SOME} failed.*)",  # Gradle
        rf"\[ *(?P<m>{_SOME} tests failed) *\]",  # JUnit's console
        rf"(?P<m>\d+ examples?, {_SOME} failures?.*)",  # RSpec
        rf"(?P<m>\d+ examples?, 0 failures, .*{_SOME} errors?.*)",
        rf"(?P<m>Tests: \d+, Assertions: \d+.*(?:Failures|Errors): {_SOME}.*?)\.?\s*$",  # PHPUnit
        rf"(?P<m>\d+ (?:runs|tests), \d+ assertions, (?=.*\b{_SOME} (?:failures|errors)).*)",
        rf"\s*(?P<m>Failed! +- +Failed: +{_SOME}, .*?)(?:, Duration.*)?$",  # dotnet test
        rf"\s*(?P<m>{_SOME} FAILED TESTS?)\s*$",  # GoogleTest
        r"(?P<m>Failed \d+/\d+ test programs?\..*)",  # prove
        rf"# (?P<m>FAIL: +{_SOME})\s*$",  # Automake
        rf"(?P<m>\d+ scenarios? \(.*\b{_SOME} failed.*)",  # Cucumber
        rf"(?P<m>\d+ scenarios? passed, {_SOME} failed.*)",  # behave
        rf"(?P<m>\d+ tests?, \d+ passed, {_SOME} failed.*)",  # Robot Framework
        last=True,
    ),
    # What is wrong at a place; the first is the cause of others.
    *_rules(
        1,
        rf"(?P<m>{_PATH}(?::\d+){{1,2}}:? (?:\S+ )?(?:fatal |internal compiler )?error:.*)",
        rf"\s*(?P<m>{_PATH}\(\d+(?:,\d+)*\) ?: (?:fatal )?error(?: [A-Z]+\d+)?: .+)",  # MSVC, tsc
        r"(?P<m>\S+:\d+:\d+ - error TS\d+: .+)",
        r"(?P<m>error\[\w+\]: .+)",  # rustc
        r"\[ERROR\] (?P<m>\S+:\[\d+,\d+\] .+)",  # Maven's compiler
        r"(?:vet: )?(?P<m>\S+\.go:\d+:\d+: .+)",
        r"\s*--- (?P<m>FAIL: \S+)",  # go test
        r"(?P<m>not ok \d+.*)",  # TAP
        r"(?P<m>CMake Error.*)",
        r"(?P<m>\S+:\d+:\d+: [A-Z]{1,4}\d{2,5}\b.*)",  # flake8, ruff
        r"\s*(?P<m>Execution failed for task .+)",  # Gradle, before what it was
        r"(?P<m>thread '.*panicked at .*)",  # Rust
        joins=True,
    ),
    *_rules(1, r"\bundefined reference to |\bundefined symbols?\b", within=True),
    # What counts errors that it does not name.
    *_rules(
        2,
        rf"\s*\W? ?(?P<m>{_SOME} problems? \({_SOME} errors?.*)",  # ESLint
        rf"(?P<m>Found {_SOME} errors?\b.*)",  # mypy, ruff
        r"(?P<m>\d+ files? would be reformatted.*)",
        r'Exception in thread "[^"]*" (?P<m>.+)',
        r"(?P<m>panic: .+)",
        last=True,
    ),
    # What only repeats that something failed.
    *_rules(
        5,
        r"(?P<m>\S*make(?:\[\d+\])?: \*\*\* (?!No rule).+)",
        r"(?P<m>ninja: build stopped: .+)",
        r"(?P<m>error: (?:test failed|could not compile|aborting due to|\d+ .*errors?\b|"
        r"recipe|process didn't).*)",
        r"(?P<m>collect2: error: .*)",
        r"(?P<m>FAIL\b.*|BUILD FAILED.*|FAILURE: .*|\[ERROR\] (?!Failed to execute goal).+)",
        r"(?P<m>npm (?:ERR!|error) (?:Lifecycle|code|errno|syscall|path|A complete).*)",
    ),
    *_rules(
        5,
        r"\b(?:exited with|exit status|exit code|returned non-zero|InvocationError)\b",
        within=True,
    ),
    *_rules(
        3,
        r"(?i)(?P<m>fatal: .+)",
        r"(?P<m>npm (?:ERR!|error) .*\S.*)",
        r"make(?:\[\d+\])?: \*\*\* (?P<m>No rule to make target .+)",
        r"(?P<m>(?:/\S*/)?\w*sh: .*(?:not found|No such file or directory|Permission denied).*)",
        r"(?P<m>cannot execute .+)",
        r"\[ERROR\] (?P<m>Failed to execute goal .+)",
        r"E {2,}(?P<m>\S.*)",  # pytest, where it does not come to its summary
        r"(?:Uncaught )?(?P<m>(?:[A-Za-z_][\w.]*\.)?[A-Z]\w*(?:Error|Exception)(?:: .*)?)$",
        r"(?i)(?:[\w./-]+: )?(?P<m>(?:fatal error|error|fatal|err|E)(?:: |! | - )\s*\S.*)",
        joins=True,
    ),
    *_rules(3, r"\b(?:Segmentation fault|Bus error|Illegal instruction|Aborted)\b", within=True),
    *_rules(
        4,
        r"(?i)(?<![\w/.-])(?:error|fatal|exception|failed|failure|panic|denied|refused|cannot|"
        r"could not|couldn't|unable to|not found|no such file|timed out|undefined|unresolved|"
        r"invalid|assertion|aborted|missing)(?![\w/-])",
        last=True,
        within=True,
    ),
]

#: Only lines with one of these, in whatever case, are looked at closely; and what linters say.
_HINTS = (
    "error", "fail", "fatal", "exception", "panic", "not ok", "undefined", "err!", "err:",
    "fault", "denied", "refused", "cannot", "could not", "couldn't", "unable to", "not found",
    "no such", "no rule", "timed out", "unresolved", "invalid", "assertion", "abort", "missing",
    "problem", "would be reformatted", "exit", "non-zero", ".go:", "illegal", "e:", "e ",
)  # fmt: skip
_LINTED = re.compile(r":\d+:\d+: [A-Z]{1,4}\d\d")
#: Words of an error in lines that tell of none.
_HARMLESS = re.compile(
    r"(?i)\b(?:0|no) (?:errors?|failed|failures?|failing|problems?)\b"
    r"(?!.*\b[1-9]\d* (?:error|fail))|-W\S*error|^\[(?:ERROR|INFO)\](?:$| BUILD)"
    r"|\berrors?[=:] ?0\b(?!.*fail\w*[=:] ?[1-9])|^\s*warning\b"
)
_TRACEBACK = "Traceback (most recent call last):"
#: How the last line of a traceback begins.
_RAISED = re.compile(r"[A-Za-z_][\w.]*(?::.*)?$")


def error_line(output: Iterable[tuple[str, bytes]]) -> str:
    """The line of a log that tells best what went wrong; empty if none does.

    :param output: parts of the log's end in order, as (letter of the stream, UTF-8 text); of
        headers (``h``) nothing is taken.
    :returns: at most :data:`LONGEST` characters, without what a terminal would obey.
    """
    lines: list[str] = []
    errors: list[int] = []
    for stream, data in output:
        if stream == "h":
            continue
        text = data.decode("utf-8", "replace")
        begin = len(lines)
        lines += plain(text).removesuffix("\n").split("\n")
        if stream == "e":
            errors += range(begin, len(lines))
    found = _best(lines) or _last_said([lines[at] for at in errors])
    return shortened(found)


def last_line(output: Iterable[tuple[str, bytes]]) -> str:
    """The last line that is not empty: of a traceback, what was raised.

    Twisted's tracebacks name the module of each exception: that of Python's own is left out.
    """
    lines = [line for _, data in output for line in data.decode("utf-8", "replace").split("\n")]
    last = _of_traceback(lines) or next((one for one in reversed(lines) if one.strip()), "")
    return shortened(last.strip().removeprefix("builtins."))


def _best(lines: Sequence[str]) -> str:
    candidates = [at for at, line in enumerate(lines) if _may_tell(line[:_LOOKED_AT])]
    if len(candidates) > 2 * _CANDIDATES:
        candidates = candidates[:_CANDIDATES] + candidates[-_CANDIDATES:]
    best: tuple[int, str] | None = None  # rank, text
    for at in candidates:
        line = lines[at][:_LOOKED_AT].rstrip()
        rule, text = _read(line)
        if rule is None:
            continue
        if best is None or rule.rank < best[0] or (rule.rank == best[0] and rule.last):
            best = rule.rank, _joined(text, lines, at) if rule.joins else text
    if best is None or best[0] >= 2:
        raised = _of_traceback(lines)
        if raised:
            return raised
    return best[1] if best else ""


def _may_tell(line: str) -> bool:
    low = line.lower()
    for hint in _HINTS:
        if hint in low:
            return hint not in ("e:", "e ") or low.startswith(hint)
    return _LINTED.search(line) is not None


def _read(line: str) -> tuple[_Rule | None, str]:
    """What kind of error line it is, and what it says."""
    for rule in _RULES:
        found = rule.read(line)
        if found is not None:
            if rule.rank >= 2 and _HARMLESS.search(line):
                return None, ""
            return rule, found
    return None, ""


def _joined(text: str, lines: Sequence[str], at: int) -> str:
    """The line, with the next one where it announces that."""
    text = text.rstrip()
    if not text.endswith(":") and not text.startswith("Execution failed for task"):
        return text
    following = next((line.strip() for line in lines[at + 1 : at + 4] if line.strip()), "")
    return f"{text} {following.lstrip('> ')}" if following else text


def _of_traceback(lines: Sequence[str]) -> str:
    """What the last traceback of a Python program ended with."""
    begin = next(
        (
            at
            for at in range(len(lines) - 1, -1, -1)
            if lines[at].lstrip(" +|").startswith(_TRACEBACK)
        ),
        None,
    )
    if begin is None:
        return ""
    margin = len(lines[begin]) - len(lines[begin].lstrip(" +|"))
    for line in lines[begin + 1 :]:
        rest = line[margin:] if margin else line
        if rest[:1].isspace() or not rest.strip():
            continue
        return rest if _RAISED.match(rest[:_LOOKED_AT].rstrip()) else ""
    return ""


def _last_said(lines: Sequence[str]) -> str:
    """The last line that a program wrote to its standard error, without what a shell traces."""
    return next((line for line in reversed(lines) if line.strip() and line[:2] != "+ "), "")
