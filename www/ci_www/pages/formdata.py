"""What a posted form says, and that it was posted by who looked at the page."""

from collections.abc import Callable
from typing import Any

from ci_www.pages.page import Ask

MOST_FIELDS = 2000


def read_form(request: Any) -> dict[str, list[str]]:
    """The fields of a form. Bytes that are not UTF-8 survive as surrogates."""
    found: dict[str, list[str]] = {}
    for name, values in list((request.args or {}).items())[:MOST_FIELDS]:
        found[name.decode("utf-8", "surrogateescape")] = [
            value.decode("utf-8", "surrogateescape") for value in values
        ]
    return found


def first(form: Any, name: str) -> str:
    """The first value of a field, empty if there is none."""
    return str((form.get(name) or [""])[0])


def check(ask: Ask, verify: Callable[[Any, str], None]) -> None:
    """Take a form only with its token.

    :raises Refused: if the token is not the session's.
    """
    verify(ask.request, first(ask.form, "csrf"))
