"""Bodies of requests: how long they may be, and reading them without holding others up.

Nothing is read that the path does not take. A resource that takes a form calls
:func:`read_form`, one that takes JSON :func:`read_json`. Both limit what can be in it, not only
its length: many small values cost far more than a long one. What is long is read in a thread.
"""

import json
import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, unquote_to_bytes

from ci_common.faults import Refused

__all__ = [
    "LONG",
    "MOST_FIELDS",
    "body_limit",
    "query_args",
    "read_form",
    "read_json",
    "url_encoded",
]

KIB, MIB = 1024, 1024 * 1024

#: Paths whose bodies may be longer than others: forms with files, JSON with the contents of
#: files, and what forges tell of a large push.
_LIMITS = (
    (b"/force/", 32 * MIB),
    (b"/api/", 16 * MIB),
    (b"/change_hook", 26 * MIB),
)
_OTHERS = 64 * KIB

#: Fields of a form, parts of a multipart body, arguments of a query.
MOST_FIELDS = 2000
#: Values, members and elements of a JSON text.
MOST_VALUES = 20_000
#: Those of the files of a change: it may be a new tree.
MOST_HOOK_VALUES = 200_000
_LONGEST_NAME = 1000
_LONGEST_PART_HEAD = 8 * KIB
#: Longer bodies are read in a thread.
LONG = 64 * KIB

InThread = Callable[..., Awaitable[Any]]
Fields = dict[bytes, list[bytes]]

_BOUNDARY = re.compile(rb'boundary=(?:"([^"\r\n]{1,70})"|([^\s;,"]{1,70}))', re.IGNORECASE)
_PART_NAME = re.compile(rb';\s*name="([^"\r\n]*)"', re.IGNORECASE)


def body_limit(path: bytes) -> int:
    """How many bytes the body of a request for this path may have."""
    for begin, limit in _LIMITS:
        if path.startswith(begin):
            return limit
    return _OTHERS


def query_args(query: bytes, most: int = MOST_FIELDS) -> dict[str, list[str]]:
    """The arguments of a query string.

    :raises Refused: 400, if there are too many.
    """
    try:
        return parse_qs(query.decode("latin-1"), keep_blank_values=True, max_num_fields=most)
    except ValueError:
        raise Refused(400, f"the query has more than {most} arguments") from None


# -- forms ----------------------------------------------------------------------------------------


async def read_form(request: Any, in_thread: InThread) -> None:
    """Add the fields of a form, URL-encoded or multipart, to ``request.args``.

    A body of another type is left alone.

    :raises Refused: 400, if there are too many fields, or it is no form of its type.
    """
    given = request.requestHeaders.getRawHeaders(b"content-type") or [b""]
    kind = given[0].partition(b";")[0].strip().lower()
    if request.method != b"POST" or kind not in _READERS:
        return
    content = request.content
    content.seek(0)
    body = content.read()
    content.seek(0)
    if len(body) > LONG:
        fields = await in_thread(_READERS[kind], body, given[0])
    else:
        fields = _READERS[kind](body, given[0])
    request.args.update(fields)


def url_encoded(body: bytes, _type: bytes = b"") -> Fields:
    """The fields of a URL-encoded form or query.

    :raises Refused: 400, if there are too many.
    """
    if body.count(b"&") >= MOST_FIELDS:
        raise Refused(400, f"there are more than {MOST_FIELDS} fields")
    fields: Fields = {}
    for field in body.split(b"&"):
        name, _, value = field.partition(b"=")
        if field:
            plain = _unquoted(name[: 3 * _LONGEST_NAME])[:_LONGEST_NAME]
            fields.setdefault(plain, []).append(_unquoted(value))
    return fields


def _unquoted(text: bytes) -> bytes:
    """What a URL-encoded text stands for.

    It is read in pieces: the library splits all of it in one step, in which nobody else can run.
    """
    text = text.replace(b"+", b" ")
    if b"%" not in text:
        return text
    plain, at = bytearray(), 0
    while at < len(text):
        end = at + LONG
        cut = text.rfind(b"%", max(at + 1, end - 2), end)  # no escape sequence is torn
        piece = text[at : end if cut < 0 else cut]
        plain += unquote_to_bytes(piece)
        at += len(piece)
    return bytes(plain)


def _multipart(body: bytes, content_type: bytes) -> Fields:
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise Refused(400, "the form is multipart, and its type names no boundary")
    fields: Fields = {}
    for number, part in enumerate(_parts(body, b"--" + (found[1] or found[2]))):
        if number >= MOST_FIELDS:
            raise Refused(400, f"the form has more than {MOST_FIELDS} parts")
        head, blank, value = part.partition(b"\r\n\r\n")
        name = _PART_NAME.search(head) if len(head) <= _LONGEST_PART_HEAD else None
        if not blank or name is None:
            raise Refused(400, "a part of the form has no name")
        fields.setdefault(name[1][:_LONGEST_NAME], []).append(value)
    return fields


def _parts(body: bytes, delimiter: bytes) -> Iterator[bytes]:
    """The parts of a multipart body, each with its head."""
    at = 0 if body.startswith(delimiter) else body.find(b"\r\n" + delimiter) + 2
    if at == 1:  # it was not found
        raise Refused(400, "the form is multipart, and its boundary is not in it")
    between = b"\r\n" + delimiter
    while True:
        begin = at + len(delimiter)
        if body[begin : begin + 2] == b"--":
            return
        end = body.find(between, begin)
        if end < 0 or body[begin : begin + 2] != b"\r\n":
            raise Refused(400, "the form is multipart, and ends within a part")
        yield body[begin + 2 : end]
        at = end + 2


_READERS: dict[bytes, Callable[[bytes, bytes], Fields]] = {
    b"application/x-www-form-urlencoded": url_encoded,
    b"multipart/form-data": _multipart,
}


# -- JSON -----------------------------------------------------------------------------------------


async def read_json(request: Any, in_thread: InThread, most: int = MOST_VALUES) -> Any:
    """The value that a body of JSON writes.

    :param most: values that it may have in all.
    :raises ValueError: if it is no JSON, or has too many values.
    """
    content = request.content
    content.seek(0)
    body = content.read()
    if len(body) > LONG:
        return await in_thread(parse_json, body, most)
    return parse_json(body, most)


def parse_json(body: bytes, most: int = MOST_VALUES) -> Any:
    """The same, of bytes.

    The values are counted before they are made: a parser of a long text lets nobody else run.
    """
    if values_of(body, most) > most:
        raise ValueError(f"it has more than {most:,} values")
    try:
        return json.loads(body)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def values_of(body: bytes, most: int) -> int:
    """About how many values a JSON text has; it stops counting beyond ``most``."""
    values, at, size = 1, 0, len(body)
    while at < size and values <= most:
        quote = body.find(b'"', at)
        end = size if quote < 0 else quote
        while at < end and values <= most:  # in pieces, so that others may run
            piece = min(end, at + MIB)
            values += sum(body.count(mark, at, piece) for mark in (b",", b"[", b"{"))
            at = piece
        if quote < 0:
            break
        at = _end_of_string(body, quote + 1)
    return values


def _end_of_string(body: bytes, at: int) -> int:
    """Where a string ends whose first character is at ``at``."""
    while True:
        quote = body.find(b'"', at)
        if quote < 0:
            return len(body)
        before = quote - 1
        while before >= at and body[before] == 0x5C:  # a backslash
            before -= 1
        if (quote - 1 - before) % 2 == 0:
            return quote + 1
        at = quote + 1
