"""The one place where used secrets are masked."""

import re

__all__ = ["RedactingStream", "Redactor"]

#: A line of a multi-line secret that is shorter than this (a brace, say) is no secret.
_SHORTEST_LINE = 4


class Redactor:
    """Masks the secrets that were used so far, each as ``<name>``.

    A secret of several lines is masked line by line, for logs are read and stored by lines.
    As long as no secret was used it costs nothing.
    """

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._pattern: re.Pattern[str] | None = None
        self._bytes_names: dict[bytes, bytes] = {}
        self._bytes_pattern: re.Pattern[bytes] | None = None
        self._first_chars: frozenset[str] = frozenset()
        self._longest = 0

    def __bool__(self) -> bool:
        return self._pattern is not None

    def add(self, name: str, value: str) -> None:
        """Mask this value from now on. Blank values are ignored; adding twice is harmless."""
        lines = value.splitlines()
        if len(lines) > 1:
            found = [line.strip() for line in lines]
            values = [line for line in found if len(line) >= _SHORTEST_LINE]
        else:
            values = [value.strip()]
        new = {line: f"<{name}>" for line in values if line and line not in self._names}
        if not new:
            return
        self._names.update(new)
        longest_first = sorted(self._names, key=len, reverse=True)
        self._longest = len(longest_first[0])
        self._first_chars = frozenset(secret[0] for secret in longest_first)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)))
        self._bytes_names = {k.encode(): v.encode() for k, v in self._names.items()}
        encoded = sorted(self._bytes_names, key=len, reverse=True)
        self._bytes_pattern = re.compile(b"|".join(map(re.escape, encoded)))

    def redact(self, text: str) -> str:
        """The text with all secrets masked; where several fit, the longest."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda match: self._names[match[0]], text)

    def redact_bytes(self, data: bytes) -> bytes:
        """The same for UTF-8 text."""
        if self._bytes_pattern is None:
            return data
        return self._bytes_pattern.sub(lambda match: self._bytes_names[match[0]], data)

    def stream(self) -> "RedactingStream":
        """A masker of text that comes in pieces."""
        return RedactingStream(self)

    def safe_length(self, text: str) -> int:
        """How much of the text can be masked before what follows it is known.

        The rest may be the beginning of a secret.
        """
        if self._pattern is None:
            return len(text)
        cut = self._open_end(text, 0)
        for match in self._pattern.finditer(text):
            if match.start() >= cut:
                break
            if match.end() > cut:
                cut = self._open_end(text, match.end())
        return cut

    def _open_end(self, text: str, start: int) -> int:
        """The first place from ``start`` on whose rest is only the beginning of a secret."""
        for at in range(max(start, len(text) - self._longest + 1), len(text)):
            if text[at] in self._first_chars:
                rest = text[at:]
                size = len(rest)
                if any(len(s) > size and s.startswith(rest) for s in self._names):
                    return at
        return len(text)


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
        text = self._held + text
        cut = self._redactor.safe_length(text)
        self._held = text[cut:]
        return self._redactor.redact(text[:cut])

    def finish(self) -> str:
        """What was held back; call it at the end of the text."""
        text, self._held = self._held, ""
        return self._redactor.redact(text)
