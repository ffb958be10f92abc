"""Tracebacks as the logs of a step or build show them."""

from html import escape

from twisted.python.failure import Failure


def as_text(failure: Failure) -> str:
    """Plain text, the error last."""
    text: str = failure.getTraceback()
    return text if text.endswith("\n") else text + "\n"


def as_html(failure: Failure) -> str:
    """A small document: the error, then how it came about."""
    what = escape(f"{type(failure.value).__name__}: {failure.getErrorMessage()}")
    return (
        "<!DOCTYPE html>\n<meta charset='utf-8'>\n"
        f"<h1>{what}</h1>\n<pre>{escape(as_text(failure))}</pre>\n"
    )
