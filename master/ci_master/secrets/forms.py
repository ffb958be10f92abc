"""The forms in which programs print a secret: encoded, quoted, escaped, line by line."""

import base64
import html
import json
import re
import shlex
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

__all__ = ["forms_of"]

#: A line of a multi-line secret that is shorter than this (a brace, say) is no secret.
_SHORTEST_LINE = 4
#: An encoded form that is shorter than this may stand anywhere by chance.
_SHORTEST_FORM = 4
#: The same for bytes in hexadecimal: numbers of four digits are everywhere.
_SHORTEST_HEX = 4
#: Columns at which programs break long lines of base64: mail and ``base64``; PEM.
_WIDTHS = (76, 64)
#: The lines of a longer one, a key for instance, are not looked for in other forms.
_FEW_LINES = 10
#: A secret that is longer is masked as it is, and line by line, but not in other forms.
_LONGEST_ENCODED = 64 * 1024

_HEX = re.compile(r"%[0-9A-F]{2}")
_FOR_SHELL = re.compile(r"([^A-Za-z0-9_@%+=:,./-])")
_IN_DOUBLE_QUOTES = re.compile(r'([\\"$`])')


def forms_of(value: str) -> set[str]:
    """All texts that give a secret away; empty if it is blank.

    A secret of several lines counts line by line, for logs are read and stored by lines, and as
    a whole where an encoding makes one line of it.
    """
    whole = value.strip()
    if not whole:
        return set()
    lines = [line.strip() for line in whole.splitlines()]
    plain = {whole} if len(lines) == 1 else {one for one in lines if len(one) >= _SHORTEST_LINE}
    found = set(plain)
    if len(whole) > _LONGEST_ENCODED:
        return found
    for text in {whole, *plain} if len(lines) <= _FEW_LINES else {whole}:
        found |= {
            form
            for form in _encoded(text)
            if len(form) >= _SHORTEST_FORM and "\n" not in form and "\r" not in form
        }
    return found


def _encoded(text: str) -> Iterator[str]:
    raw = text.encode("utf-8", "surrogatepass")
    yield from _base64(raw)
    yield from _url_quoted(text)
    yield from _escaped(text)
    yield from _quoted_for_shells(text)
    if len(raw) >= _SHORTEST_HEX:
        yield raw.hex()
        yield raw.hex().upper()


def _base64(raw: bytes) -> Iterator[str]:
    """What base64 makes of a secret wherever it begins within the text that is encoded.

    Three bytes become four characters: so there are three ways, and the characters at both ends
    that hold bits of the neighbours, too, are left out.
    """
    for before in range(3):
        text = base64.b64encode(bytes(before) + raw).decode()
        first = -(-8 * before // 6)
        whole = 8 * (before + len(raw)) // 6
        for form in (text, text.replace("+", "-").replace("/", "_")):
            yield form[first:whole]
            for width in _WIDTHS if before == 0 else ():
                if whole > width:  # an encoder that broke the line did so from its begin
                    yield from (form[at : min(at + width, whole)] for at in range(0, whole, width))


def _url_quoted(text: str) -> Iterator[str]:
    usual = {
        quote(text, errors="replace"),
        quote(text, safe="", errors="replace"),
        quote(text, safe="!'()*", errors="replace"),  # encodeURIComponent of JavaScript
        quote_plus(text, errors="replace"),
    }
    for form in usual:
        yield form
        yield _HEX.sub(lambda found: found[0].lower(), form)


def _escaped(text: str) -> Iterator[str]:
    for ascii_only in (True, False):
        form = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        yield form
        yield form.replace("/", "\\/")
    yield repr(text)[1:-1]
    yield repr(text.encode("utf-8", "surrogatepass"))[2:-1]
    yield html.escape(text, quote=False)
    escaped = html.escape(text)
    yield escaped
    yield escaped.replace("&#x27;", "&#39;").replace("&quot;", "&#34;")


def _quoted_for_shells(text: str) -> Iterator[str]:
    yield text.replace("'", "'\\''")  # as bash and dash trace it
    yield shlex.quote(text).strip("'")
    yield _FOR_SHELL.sub(r"\\\1", text)
    yield _IN_DOUBLE_QUOTES.sub(r"\\\1", text)
