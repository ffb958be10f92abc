"""From the bytes that a program writes to whole lines of text for the master.

The path of mass output: no work per line. Bytes are cut at the last newline, decoded in bulk, and
only a block that holds a carriage return, a backspace or an escape is looked at more closely.
"""

import re
from collections.abc import Callable

#: A line longer than this is cut: the master must be able to show it.
LONGEST_LINE_BYTES = 64 * 1024

#: What moves the cursor of a terminal back or about becomes the end of a line.
_LINE_ENDS = re.compile(rb"\r+\n|\r+|\x08+|\x1b\[u|\x1b\[\d+;\d+[Hf]|\x1b\[2J")


class LineOutput:
    """One stream's bytes on their way to whole lines.

    :param put: gets text that ends with a newline, and its size in bytes.
    :ivar lines: how many line ends were seen.
    """

    def __init__(self, put: Callable[[str, int], None], encoding: str = "utf-8") -> None:
        self._put = put
        self._encoding = encoding
        self._rest = b""
        self._held = b""
        self.lines = 0

    def feed(self, data: bytes) -> None:
        """Take more output; hand on the lines that are complete now."""
        if self._rest:
            data = self._rest + data
        if b"\r" in data or b"\x08" in data or b"\x1b" in data:
            data = self._line_ends_unified(data)
        else:
            self._held = b""
        cut = data.rfind(b"\n") + 1
        if len(data) - cut > LONGEST_LINE_BYTES:
            whole, self._rest = self._cut_long(data, cut)
        else:
            whole, self._rest = (data, b"") if cut == len(data) else (data[:cut], data[cut:])
        self._rest += self._held
        if whole:
            self.lines += whole.count(b"\n")
            self._put(whole.decode(self._encoding, "replace"), len(whole))

    def finish(self) -> str:
        """What is left without a line end, with one added; empty if nothing is."""
        rest, self._rest = self._rest, b""
        if not rest:
            return ""
        text = _LINE_ENDS.sub(b"\n", rest).decode(self._encoding, "replace")
        self.lines += 1
        return text if text.endswith("\n") else text + "\n"

    def _line_ends_unified(self, data: bytes) -> bytes:
        """Every kind of line end made a newline; one that may be incomplete is held back."""
        keep = len(data) - len(_unfinished(data))
        self._held = data[keep:]
        return _LINE_ENDS.sub(b"\n", data[:keep])

    def _cut_long(self, data: bytes, cut: int) -> tuple[bytes, bytes]:
        """Cut what follows the last newline into lines of bounded length."""
        pieces = [data[:cut]]
        while len(data) - cut > LONGEST_LINE_BYTES:
            end = _character_start(data, cut + LONGEST_LINE_BYTES)
            pieces += [data[cut:end], b"\n"]
            cut = end
        return b"".join(pieces), data[cut:]


_TAIL = re.compile(rb"(?:\r+|\x1b(?:\[[\d;]{0,12})?)\Z")


def _unfinished(data: bytes) -> bytes:
    """The end of ``data`` that cannot be judged before more is there."""
    found = _TAIL.search(data, max(0, len(data) - 32))
    return found[0] if found else b""


def _character_start(data: bytes, position: int) -> int:
    """The start of the UTF-8 character that ``position`` may be inside of."""
    for back in range(4):
        if data[position - back] & 0xC0 != 0x80:
            return position - back
    return position
