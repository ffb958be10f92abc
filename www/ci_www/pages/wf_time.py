"""The time axis of the waterfall: newest on top, one scale, long idle stretches folded."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from ci_www.pages.times import day_name

#: The height of the band that stands for a folded stretch.
FOLD_PX = 24
#: A stretch without any event is folded if it is longer than this, or would be so tall.
FOLD_AFTER_S, _FOLD_ABOVE_PX = 15 * 60, 320
#: But never one that would be lower than this: a band would save nothing.
_LEAST_FOLDED_PX = 60
#: Left unfolded before and after an event, for the text beside a box.
_MARGIN_PX = 18

_INTERVALS_S = (
    5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 43200, 86400
)  # fmt: skip
_APART_PX = 32


@dataclass(frozen=True, slots=True)
class Stretch:
    """A piece of the axis. ``high`` is its later end."""

    high: float
    low: float
    top: float
    bottom: float
    folded: bool


@dataclass(frozen=True, slots=True)
class AxisTick:
    """A label on the axis: the clock, and where it is a new day or zone, that below it."""

    y: float
    text: str
    day: str


class Axis:
    """Maps moments to pixels, newest on top.

    A minute has ``scale`` pixels everywhere, except in stretches without events: those are
    folded to bands of one height, which say how long they are.

    :param busy: (start, end) of everything that must not be folded away.
    :param scale: pixels for a minute.
    :param room_px: what is kept free above ``end``, for what is still to come.
    """

    def __init__(
        self,
        start: float,
        end: float,
        busy: Iterable[tuple[float, float]],
        *,
        scale: float,
        fold: bool = True,
        room_px: float = 0.0,
    ) -> None:
        self.start, self.end, self.scale = start, end, scale
        self.room_px = room_px
        self.stretches: list[Stretch] = []
        self._times = [-end]  # negated, so that they rise with the pixels
        self._pixels = [room_px]
        y = room_px
        for high, low, folded in _pieces(start, end, busy if fold else [(start, end)], scale):
            top = y
            y += FOLD_PX if folded else (high - low) / 60 * scale
            self._times.append(-low)
            self._pixels.append(y)
            self.stretches.append(Stretch(high, low, round(top, 1), round(y, 1), folded))
        self.height = y

    def exact(self, at: float) -> float:
        """The pixel of a moment; those outside the range are put on its edge."""
        at = min(max(at, self.start), self.end)
        place = bisect_left(self._times, -at)
        if place == 0:
            return self.room_px
        above, below = self._times[place - 1], self._times[place]
        share = (-at - above) / (below - above)
        top, bottom = self._pixels[place - 1], self._pixels[place]
        return top + share * (bottom - top)

    def y(self, at: float) -> float:
        """:meth:`exact` to a tenth of a pixel."""
        return round(self.exact(at), 1)

    def ticks(self, zone: tzinfo) -> list[AxisTick]:
        """Labels at round times of the viewer's zone, at least 32 pixels apart."""
        step = next((s for s in _INTERVALS_S if s / 60 * self.scale >= _APART_PX), _INTERVALS_S[-1])
        found: list[AxisTick] = []
        day, offset, free = None, None, -_APART_PX / 2
        for one in self.stretches:
            if one.folded:
                continue
            for at in _round_times(one, step, zone) or [(one.high + one.low) / 2]:
                y = self.y(at)
                if y < free + _APART_PX / 2 or y < one.top + 6 or y > one.bottom - 6:
                    continue
                then = datetime.fromtimestamp(at, zone)
                below = day_name(then) if then.date() != day else ""
                if not below and offset is not None and then.utcoffset() != offset:
                    below = then.tzname() or ""
                text = f"{then:%H:%M}" if step >= 60 else f"{then:%H:%M:%S}"
                found.append(AxisTick(y, text, below))
                day, offset = then.date(), then.utcoffset()
                free = y + _APART_PX / 2 + (4 if below else 0)
        return found


def _round_times(one: Stretch, step: int, zone: tzinfo) -> list[float]:
    """The round times of a stretch, by the clock on the wall, latest first."""
    found: set[float] = set()
    at = one.high
    while at >= one.low:
        then = datetime.fromtimestamp(at, zone)
        shift = (then.utcoffset() or timedelta()).total_seconds()
        whole = (at + shift) // step * step - shift
        if one.low <= whole <= one.high:
            found.add(whole)
        # where clocks are put back or forward the next round time may be nearer than a step
        at = min(whole, at) - min(step, 1800)
    return sorted(found, reverse=True)


def _pieces(
    start: float, end: float, busy: Iterable[tuple[float, float]], scale: float
) -> list[tuple[float, float, bool]]:
    """(later end, earlier end, folded) of the pieces of the axis, latest first."""
    margin = _MARGIN_PX / scale * 60
    longest = max(_LEAST_FOLDED_PX / scale * 60, min(FOLD_AFTER_S, _FOLD_ABOVE_PX / scale * 60))
    spans = sorted(
        (max(start, a - margin), min(end, b + margin)) for a, b in busy if b >= start and a <= end
    )
    spans.append((end, end))
    pieces: list[tuple[float, float, bool]] = []
    at = begin = start
    for a, b in spans:
        if a - at > longest:
            if at > begin:
                pieces.append((at, begin, False))
            pieces.append((a, at, True))
            begin = a
        at = max(at, b)
    if end > begin or not pieces:
        pieces.append((end, begin, False))
    return pieces[::-1]
