"""The one place where used secrets are masked."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Any

from ci_master.secrets.forms import forms_of

__all__ = ["RedactingStream", "Redactor"]

#: Characters by which it is seen at once that no secret begins at a place.
_BEGIN = 3
#: Characters that the expression looks for; to compile a long one would take too long.
_HEAD = 12


class Redactor:
    """Masks the secrets that were used so far, each as ``<name>``.

    Masked are the secret itself, each line of one that has several, and the encoded, quoted and
    escaped forms of :mod:`ci_master.secrets.forms`. As long as no secret was used it costs
    nothing; then a text costs one pass, however many secrets there are.
    """

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._compiled: re.Pattern[str] | None = None
        self._sorted: list[str] = []
        self._begins: frozenset[str] = frozenset()
        self._longest = 0

    def __bool__(self) -> bool:
        return bool(self._names)

    def add(self, name: str, value: str) -> None:
        """Mask this value from now on. Blank values are ignored; adding twice is harmless."""
        new = {form: f"<{name}>" for form in forms_of(value) if form not in self._names}
        if new:
            self._names.update(new)
            self._compiled = None

    def redact(self, text: str) -> str:
        """The text with all secrets masked; where several fit, the longest."""
        if not self._names:
            return text
        shown: list[str] = []
        at = 0
        for begin, form in self._found_in(text):
            shown += (text[at:begin], self._names[form])
            at = begin + len(form)
        return "".join([*shown, text[at:]]) if at else text

    def redact_bytes(self, data: bytes) -> bytes:
        """The same for UTF-8 text; other bytes come through unchanged."""
        if not self._names:
            return data
        text = data.decode("utf-8", "surrogateescape")
        return self.redact(text).encode("utf-8", "surrogateescape")

    def stream(self) -> "RedactingStream":
        """A masker of text that comes in pieces."""
        return RedactingStream(self)

    def split(self, text: str) -> tuple[str, str]:
        """What can be masked before more is known, masked, and the rest.

        The rest may be the beginning of a secret.
        """
        if not self._names:
            return text, ""
        cut = self._open_end(text, 0)
        shown: list[str] = []
        at = 0
        for begin, form in self._found_in(text):
            if begin >= cut:
                break
            shown += (text[at:begin], self._names[form])
            at = begin + len(form)
            if at > cut:
                cut = self._open_end(text, at)
        shown.append(text[at:cut])
        return "".join(shown), text[cut:]

    def _found_in(self, text: str) -> Iterator[tuple[int, str]]:
        """Where secrets begin in a text, and in which form; none overlaps another."""
        pattern = self._compiled or self._compile()
        at = 0
        while (match := pattern.search(text, at)) is not None:
            begin = match.start()
            form = self._form_at(text, begin, match[0])
            if form is not None:
                yield begin, form
            at = begin + (1 if form is None else len(form))

    def _form_at(self, text: str, begin: int, head: str) -> str | None:
        """The longest form that stands at this place of a text, given its first characters."""
        forms, place = self._sorted, bisect_left(self._sorted, head)
        longest = ""
        while place < len(forms) and forms[place].startswith(head):
            if len(forms[place]) > len(longest) and text.startswith(forms[place], begin):
                longest = forms[place]
            place += 1
        if longest:
            return longest
        return next((head[:n] for n in range(len(head), 0, -1) if head[:n] in self._names), None)

    def _compile(self) -> re.Pattern[str]:
        """Look for the first characters of all forms; what is long is compared only there."""
        self._sorted = sorted(self._names)
        self._longest = max(map(len, self._sorted))
        self._begins = frozenset(
            form[:size] for form in self._sorted for size in range(1, _BEGIN + 1)
        )
        self._compiled = re.compile(any_of(form[:_HEAD] for form in self._sorted))
        return self._compiled

    def _open_end(self, text: str, start: int) -> int:
        """The first place from ``start`` on whose rest is only the beginning of a secret."""
        if self._compiled is None:
            self._compile()
        forms, begins = self._sorted, self._begins
        for at in range(max(start, len(text) - self._longest + 1), len(text)):
            if text[at : at + _BEGIN] in begins:
                rest = text[at:]
                place = bisect_left(forms, rest)
                if place < len(forms) and forms[place] == rest:
                    place += 1  # it is whole, but may be the beginning of a longer one
                if place < len(forms) and forms[place].startswith(rest):
                    return at
        return len(text)


def any_of(words: Iterable[str]) -> str:
    """A regular expression for any of the words, the longest where several fit.

    What words have in common at their beginnings is looked at once. So the time that a text
    takes does not grow with the number of words, as it would with ``a|b|c``.
    """
    tree: dict[str, Any] = {}
    for word in words:
        node = tree
        for character in word:
            node = node.setdefault(character, {})
        node[""] = {}
    return _as_pattern(tree)


def _as_pattern(tree: dict[str, Any]) -> str:
    """The expression for a tree of characters, where ``""`` marks the end of a word."""
    branches = [re.escape(key) + _as_pattern(child) for key, child in tree.items() if key]
    if not branches:
        return ""
    if len(branches) == 1 and "" not in tree:
        return branches[0]
    return f"(?:{'|'.join(branches)}){'?' if '' in tree else ''}"


class RedactingStream:
    """Masks text that comes in pieces, also where a secret is cut in two.

    Holds back only what may be the beginning of a used secret.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._held = ""

    def feed(self, text: str) -> str:
        """What can be shown after this piece has come."""
        if not self._redactor and not self._held:
            return text
        shown, self._held = self._redactor.split(self._held + text)
        return shown

    def finish(self) -> str:
        """What was held back; call it at the end of the text."""
        text, self._held = self._held, ""
        return self._redactor.redact(text)
