"""The parts of an e-mail."""

import re
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from typing import Any

from ci_common.results import statusToString

#: An address alone, and one that may have a name before it: ``Ann <ann@example.com>``.
VALID_EMAIL_ADDR = r"[^\s<>@]+@[^\s<>@]+"
VALID_EMAIL = re.compile(rf"^(?:{VALID_EMAIL_ADDR}|[^<>\n]*<{VALID_EMAIL_ADDR}>)$")

_STREAM_LETTERS = "oehi"


def encodable(text: str) -> str:
    """A text without what no message can carry: lone surrogates and NUL."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def usual_subject(title: str, results: int | None, builds: Sequence[Any] | None) -> str:
    """The subject where no formatter made one."""
    names = sorted({build["builder"]["name"] for build in builds or ()})
    return f"{title}: {statusToString(results)} in {', '.join(names) or 'no builder'}"


def attach_patch(message: EmailMessage, patch: Mapping[str, Any], number: int) -> None:
    """Add a patch that was built."""
    body = patch["body"]
    data = body if isinstance(body, bytes) else str(body).encode()
    message.add_attachment(
        data, maintype="text", subtype="x-diff", filename=f"source patch {number}.diff"
    )


def attach_log(message: EmailMessage, log: Mapping[str, Any]) -> None:
    """Add the content of a log."""
    name = f"{log['stepname']}.{log['name']}"
    kind = "html" if log.get("type") == "h" else "plain"
    text = encodable(log_text(log))
    message.add_attachment(text, subtype=kind, filename=name, charset="utf-8")


def log_text(log: Mapping[str, Any]) -> str:
    """The content of a log, without the letters of streams."""
    content: str = (log.get("content") or {}).get("content") or ""
    if log.get("type") != "s":
        return content
    return "".join(
        line[1:] if line[:1] in _STREAM_LETTERS else line
        for line in content.splitlines(keepends=True)
    )
