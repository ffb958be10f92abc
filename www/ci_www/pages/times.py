"""Times and durations as people read them."""

from datetime import UTC, datetime, tzinfo

from ci_common.durations import duration as duration
from ci_common.numbers import is_digits, whole_number

_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
#: The latest moment that a calendar holds, in every time zone: the last day of 9999 begins.
_LATEST = 253_402_214_400
_DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]


def stretch(seconds: float) -> str:
    """A long duration without its seconds: ``31 min``, ``2 h 05 min``."""
    return duration(seconds // 60 * 60) if seconds >= 300 else duration(seconds)


def rough(seconds: float) -> str:
    """A duration in its largest unit: ``40 s``, ``4 min``, ``2 h``, ``3 d``."""
    whole = max(0, round(seconds))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if whole >= 2 * size or (whole >= size and size < 86400):
            return f"{whole // size} {unit}"
    return f"{whole} s"


def relative(at: float, now: float) -> str:
    """``12 s ago``, ``in 5 min``, ``now``."""
    apart = now - at
    if abs(apart) < 2:
        return "now"
    return f"{rough(apart)} ago" if apart > 0 else f"in {rough(-apart)}"


def clock(at: float, now: float, zone: tzinfo) -> str:
    """Today ``20:48:10``; within the year ``Nov 20 20:48``; else ``2025-11-20``."""
    then, today = datetime.fromtimestamp(at, zone), datetime.fromtimestamp(now, zone)
    if then.date() == today.date():
        return f"{then:%H:%M:%S}"
    if then.year == today.year or abs(now - at) < 90 * 86400:
        return f"{_MONTHS[then.month - 1]} {then.day} {then:%H:%M}"
    return f"{then:%Y-%m-%d}"


def day_name(then: datetime) -> str:
    """``Nov 20``."""
    return f"{_MONTHS[then.month - 1]} {then.day}"


def span_text(start: float, end: float, zone: tzinfo) -> str:
    """A range with its date or dates: ``Thu Nov 20, 02:00 \u2013 14:00 CET``.

    Where clocks were put back or forward in between, both ends name their zone.
    """
    a, b = datetime.fromtimestamp(start, zone), datetime.fromtimestamp(end, zone)
    first = f"{_DAYS[a.weekday()]} {day_name(a)}"
    if a.year != b.year:
        first += f" {a.year}"
    first += f", {a:%H:%M}"
    if a.utcoffset() != b.utcoffset():
        first += f" {a.tzname() or ''}".rstrip()
    last = f"{b:%H:%M} {b.tzname() or ''}".rstrip()
    if a.date() != b.date():
        year = f" {b.year}" if a.year != b.year else ""
        last = f"{_DAYS[b.weekday()]} {day_name(b)}{year}, {last}"
    return f"{first} \u2013 {last}"


def full(at: float, zone: tzinfo) -> str:
    """Date and time in the viewer's zone and in UTC."""
    then, utc = datetime.fromtimestamp(at, zone), datetime.fromtimestamp(at, UTC)
    name = then.tzname() or "UTC"
    text = f"{_DAYS[then.weekday()]} {then:%Y-%m-%d %H:%M:%S} {name}"
    return text if name == "UTC" else f"{text} ({utc:%H:%M:%S} UTC)"


def iso(at: float) -> str:
    """``2026-11-20T20:48:10Z``."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"


def moment(text: str, now: float) -> int | None:
    """Unix seconds of what a query string says: ISO 8601, ``-12h``, ``now`` or unix seconds.

    :returns: None if it says nothing that can be understood.
    """
    text = text.strip()
    if text == "now":
        return int(now)
    sizes = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
    count = whole_number(text[1:-1]) if text[:1] == "-" and text[-1] in sizes else None
    if count is not None:
        return max(0, int(now) - count * sizes[text[-1]])
    if is_digits(text):
        return whole_number(text, most=_LATEST)
    try:
        then = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        return None
    at = int((then if then.tzinfo else then.replace(tzinfo=UTC)).timestamp())
    return at if 0 <= at <= _LATEST else None


def size(count: int) -> str:
    """``812 B``, ``6.1 KB``, ``3.4 MB``."""
    if count < 1000:
        return f"{count} B"
    value, units = count / 1000, ["KB", "MB", "GB"]
    while value >= 999.5 and len(units) > 1:
        value /= 1000
        del units[0]
    return f"{value:.1f} {units[0]}" if value < 99.95 else f"{value:.0f} {units[0]}"
