"""Where things are. The only place that knows how page URLs are made."""

import re
from urllib.parse import quote, urlencode

from ci_common.numbers import is_digits

_PLAIN = re.compile(r"[A-Za-z0-9._~-]+")


def builder_segment(builderid: int, name: str) -> str:
    """A builder's name where it can stand in a URL and is not all digits, else its id."""
    if _PLAIN.fullmatch(name) and not is_digits(name) and name not in {".", ".."}:
        return name
    return str(builderid)


def builder(segment: str) -> str:
    """The page of a builder."""
    return f"/builders/{segment}"


def build(segment: str, number: int) -> str:
    """The page of a build."""
    return f"/builders/{segment}/builds/{number}"


def step(segment: str, number: int, step_number: int) -> str:
    """The page of a build with one step open."""
    return f"{build(segment, number)}/steps/{step_number}#step-{step_number}"


def log(segment: str, number: int, step_number: int, slug: str) -> str:
    """The log viewer."""
    return f"{build(segment, number)}/steps/{step_number}/logs/{quote(slug)}"


def request_or_build(requestid: int) -> str:
    """The page of a request, which becomes that of its build as soon as there is one."""
    return f"{request(requestid)}?redirect_to_build=true"


def request(requestid: int) -> str:
    """The page of a build request."""
    return f"/buildrequests/{requestid}"


def change(changeid: int) -> str:
    """The page of a change."""
    return f"/changes/{changeid}"


def worker(name: str) -> str:
    """The page of a worker."""
    return f"/workers/{quote(name, safe='')}"


def force(scheduler: str, builder_name: str | None = None) -> str:
    """The form of a force scheduler."""
    query = "?" + urlencode({"builder": builder_name}) if builder_name else ""
    return f"/force/{quote(scheduler, safe='')}{query}"


def with_query(path: str, **query: str | list[str] | None) -> str:
    """A path with those arguments that are given."""
    given = [(k.rstrip("_"), v) for k, v in query.items() if v]
    return f"{path}?{urlencode(given, doseq=True)}" if given else path


def web_link(url: str | None) -> str | None:
    """The URL if it is safe to link to (http, https or a path of this site), else None."""
    if url and re.match(r"(?i)https?://|/(?!/)", url):
        return url
    return None
