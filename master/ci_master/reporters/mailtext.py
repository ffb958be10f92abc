"""The parts of an e-mail."""

import re
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from typing import Any

from ci_common.errorline import shortened
from ci_common.results import statusToString
from ci_master.reporters.context import branch_of, get_detected_status_text

#: An address alone, and one that may have a name before it: ``Ann <ann@example.com>``.
VALID_EMAIL_ADDR = r"[^\s<>@]+@[^\s<>@]+"
VALID_EMAIL = re.compile(rf"^(?:{VALID_EMAIL_ADDR}|[^<>\n]*<{VALID_EMAIL_ADDR}>)$")

#: Characters of a subject.
LONGEST_SUBJECT = 250

_STREAM_LETTERS = "oehi"


def encodable(text: str) -> str:
    """A text without what no message can carry: lone surrogates and NUL."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def usual_subject(
    title: str, results: int | None, builds: Sequence[Any] | None, failure: str = ""
) -> str:
    """The subject where no formatter made one.

    :param failure: why the only build of the report did not do well, in one line.
    """
    if builds and len(builds) == 1:
        return _subject_of(builds[0], failure)
    names = sorted({build["builder"]["name"] for build in builds or ()})
    return f"{title}: {statusToString(results)} in {', '.join(names) or 'no builder'}"


def _subject_of(build: Mapping[str, Any], failure: str) -> str:
    branch = branch_of((build.get("buildset") or {}).get("sourcestamps") or ())
    if build["results"] is not None:
        status = get_detected_status_text((), build["results"], None)
    elif build.get("buildid") is None:
        status = "build requested"
    else:
        status = "build started"
    told = f"{build['builder']['name']}{f' ({branch})' if branch else ''}: {status}"
    return shortened(f"{told} - {failure}" if failure else told, LONGEST_SUBJECT)


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
