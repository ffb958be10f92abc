"""Terminal escapes in log lines, as HTML with classes.

Colours of the 256 palette have classes ``f0``..``f255`` and ``b0``..``b255`` in the style sheet
of the log; true colours take the nearest of them. Everything else that a terminal would obey
is taken out, so a log can never do more than colour its text.
"""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup, escape

_TOKEN = re.compile(
    r"\x1b\[([0-9;:]*)m"  # 1: colours and faces
    r"|\x1b\[[0-?]*[ -/]*[@-~]"
    r"|\x1b\]8;[^;\x07\x1b]*;([^\x07\x1b]*)(?:\x07|\x1b\\)"  # 2: start or end of a link
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\|$)"
    r"|\x1b[@-Z\\-_]"
    r"|([\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069])"  # 3: shown as a picture
)
_CUBE = (0, 95, 135, 175, 215, 255)

LONGEST = 4000

_URL = re.compile(
    r"(?i:https?)://[^\s<>\"'`{}|\\^\x00-\x20\x7f-\x9f\u2400-\u2421\u3000-\u303f\uff00-\uffef\ufffd]+"
)
_CLOSERS = {")": "(", "]": "["}


def urls_in(text: str) -> Iterator[tuple[int, int]]:
    """Where the web addresses of a text begin and end, without the punctuation after them."""
    for match in _URL.finditer(text):
        begin, end = match.span()
        while end > begin:
            last = text[end - 1]
            opener = _CLOSERS.get(last)
            unpaired = opener and text.count(last, begin, end) > text.count(opener, begin, end)
            if last not in ".,;:!?*" and not unpaired:
                break
            end -= 1
        host = text.find("//", begin, end) + 2
        if end > host and (text[host].isalnum() or text[host] == "["):
            yield begin, end


def nearest256(red: int, green: int, blue: int) -> int:
    """The colour of the 256 palette that is nearest to a true one."""

    def place(value: int) -> int:
        return min(range(6), key=lambda i: abs(_CUBE[i] - value))

    r, g, b = place(red), place(green), place(blue)
    grey = min(23, max(0, round((red + green + blue) / 3 - 8) // 10))
    level = 8 + 10 * grey
    of_cube = sum((_CUBE[i] - v) ** 2 for i, v in ((r, red), (g, green), (b, blue)))
    of_grey = sum((level - v) ** 2 for v in (red, green, blue))
    return 232 + grey if of_grey < of_cube else 16 + 36 * r + 6 * g + b


class _Face:
    """The state of the terminal's pen."""

    __slots__ = ("back", "flags", "fore")

    def __init__(self) -> None:
        self.fore: int | None = None
        self.back: int | None = None
        self.flags: set[str] = set()

    def classes(self) -> str:
        names = sorted(self.flags)
        if self.fore is not None:
            names.append(f"f{self.fore}")
        if self.back is not None:
            names.append(f"b{self.back}")
        return " ".join(names)

    _ON = {1: "ab", 2: "ad", 3: "ai", 4: "au", 7: "av"}
    _OFF = {22: ("ab", "ad"), 23: ("ai",), 24: ("au",), 27: ("av",)}

    def take(self, codes: str) -> None:
        """Obey one ``ESC [ ... m``."""
        numbers = [int(one or 0) for one in codes.replace(":", ";").split(";") if len(one) < 5]
        at = 0
        while at < len(numbers):
            code = numbers[at]
            at += 1
            if code == 0:
                self.fore = self.back = None
                self.flags.clear()
            elif code in self._ON:
                self.flags.add(self._ON[code])
            elif code in self._OFF:
                self.flags.difference_update(self._OFF[code])
            elif 30 <= code <= 37 or 90 <= code <= 97:
                self.fore = code - 30 if code < 40 else code - 82
            elif 40 <= code <= 47 or 100 <= code <= 107:
                self.back = code - 40 if code < 50 else code - 92
            elif code == 39:
                self.fore = None
            elif code == 49:
                self.back = None
            elif code in (38, 48):
                colour, at = _extended(numbers, at)
                if code == 38:
                    self.fore = colour
                else:
                    self.back = colour


def _extended(numbers: list[int], at: int) -> tuple[int | None, int]:
    """The colour after 38 or 48, and where the codes go on."""
    kind = numbers[at] if at < len(numbers) else None
    if kind == 5 and at + 1 < len(numbers):
        return min(255, numbers[at + 1]), at + 2
    if kind == 2 and at + 3 < len(numbers):
        red, green, blue = (min(255, one) for one in numbers[at + 1 : at + 4])
        return nearest256(red, green, blue), at + 4
    return None, len(numbers)


def plain(text: str) -> str:
    """The text without escapes; of a line rewritten by carriage returns, the last state."""
    return _TOKEN.sub(lambda m: "" if m[3] is None else m[3], last_state(text))


def last_state(text: str) -> str:
    """What a terminal shows of a line with carriage returns in it."""
    text = text.rstrip("\r")
    return text.rpartition("\r")[2] if "\r" in text else text


def html(text: str, *, whole: bool = False) -> Markup:
    """One line as HTML. Lines over :data:`LONGEST` characters are cut unless ``whole``."""
    text = last_state(text)
    rest = 0
    if len(text) > LONGEST and not whole:
        rest, text = len(text) - LONGEST, text[:LONGEST]
    plain_text = "\x1b" not in text and text.isprintable() and "://" not in text
    out = escape(text) if plain_text else _coloured(text, cut=rest > 0)
    if rest:
        out += Markup(' <i class="muted">\u2026 {} more characters</i>').format(rest)
    return out


@dataclass(slots=True)
class _Piece:
    """Some text in one face."""

    text: str
    classes: str
    link: str = ""


def _coloured(text: str, *, cut: bool) -> Markup:
    """HTML of a text with escapes or addresses in it.

    :param cut: the end of the line is missing, so an address at the end is none.
    """
    pieces = list(_pieces(text))
    _link(pieces, cut=cut)
    out, link = [], ""
    for piece in pieces:
        if piece.link != link:
            if link:
                out.append(Markup("</a>"))
            link = piece.link
            if link:
                out.append(Markup('<a href="{}" rel="noopener noreferrer">').format(link))
        part = escape(piece.text)
        if piece.classes:
            part = Markup('<span class="{}">{}</span>').format(piece.classes, part)
        out.append(part)
    if link:
        out.append(Markup("</a>"))
    return Markup("").join(out)


def _pieces(text: str) -> Iterator[_Piece]:
    face, at, link = _Face(), 0, ""
    for match in _TOKEN.finditer(text):
        if match.start() > at:
            yield _Piece(text[at : match.start()], face.classes(), link)
        at = match.end()
        if match[1] is not None:
            face.take(match[1])
        elif match[2] is not None:
            link = match[2] if re.match(r"(?i)https?://", match[2]) else ""
        elif match[3] is not None:
            code = ord(match[3])
            shown = chr(0x2400 + code) if code < 32 else "\u2421" if code == 127 else "\ufffd"
            yield _Piece(shown, "ctl")
    if at < len(text):
        yield _Piece(text[at:], face.classes(), link)


def _link(pieces: list[_Piece], *, cut: bool) -> None:
    """Make links of the addresses in some pieces, also of those that go over several."""
    whole = "".join(piece.text for piece in pieces)
    if "://" not in whole:
        return
    edges: dict[int, str] = {}  # where it changes -> the address from there on
    for begin, end in urls_in(whole):
        if not (cut and end == len(whole)):
            edges[begin] = whole[begin:end]
            edges.setdefault(end, "")
    found, at, here = [], 0, ""
    for piece in pieces:
        end = at + len(piece.text)
        here = edges.get(at, here)
        places = [at, *sorted(edge for edge in edges if at < edge < end), end]
        for first, last in itertools.pairwise(places):
            here = edges.get(first, here)
            part = whole[first:last]
            found.append(_Piece(part, piece.classes, piece.link or here))
        at = end
    pieces[:] = found


def palette() -> list[tuple[int, int, int]]:
    """The 256 colours."""
    basic = [
        (0, 0, 0), (187, 33, 36), (21, 128, 61), (146, 97, 8), (29, 86, 201), (142, 48, 160),
        (14, 116, 144), (148, 158, 168), (100, 110, 120), (220, 60, 50), (34, 150, 80),
        (176, 122, 16), (59, 120, 230), (176, 80, 200), (28, 145, 178), (255, 255, 255),
    ]  # fmt: skip
    cube = [(r, g, b) for r in _CUBE for g in _CUBE for b in _CUBE]
    return basic + cube + [(8 + 10 * i,) * 3 for i in range(24)]


def _light(colour: tuple[int, int, int]) -> float:
    """Relative luminance as WCAG defines it."""
    parts = [c / 255 for c in colour]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: tuple[int, int, int], other: tuple[int, int, int]) -> float:
    """The contrast of two colours, 1 to 21."""
    bright, dark = sorted((_light(one), _light(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def readable(colour: tuple[int, int, int], ground: tuple[int, int, int]) -> tuple[int, int, int]:
    """The colour, moved away from the background until it has a contrast of 4.5."""
    towards = 0 if _light(ground) > 0.5 else 255
    found = colour
    for share in range(0, 21):
        red, green, blue = (round(c + (towards - c) * share / 20) for c in colour)
        found = (red, green, blue)
        if contrast(found, ground) >= 4.5:
            break
    return found


#: The grounds of logs that are nearest to text in the light and in the dark theme: those of
#: lines that look like errors or warnings.
LIGHT, DARK = (253, 233, 216), (56, 43, 28)


def stylesheet() -> str:
    """The colours of logs for both themes, as CSS."""

    def code(colour: tuple[int, int, int]) -> str:
        return "#{:02x}{:02x}{:02x}".format(*colour)

    light, dark, back = [], [], []
    for number, colour in enumerate(palette()):
        light.append(f".f{number}{{color:{code(readable(colour, LIGHT))}}}")
        dark.append(f"%s .f{number}{{color:{code(readable(colour, DARK))}}}")
        ink = "#000" if contrast(colour, (0, 0, 0)) > contrast(colour, (255, 255, 255)) else "#fff"
        back.append(f".b{number}{{background:{code(colour)};color:{ink}}}")
    night = "\n".join(dark)
    return "\n".join(
        [
            *light,
            "@media (prefers-color-scheme:dark){",
            night.replace("%s", ":root:not([data-theme=light])"),
            "}",
            night.replace("%s", ":root[data-theme=dark]"),
            *back,
        ]
    )
