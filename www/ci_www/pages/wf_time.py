"""The time axis of the waterfall: newest on top, long idle stretches folded."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from itertools import pairwise

#: A stretch without any event that is longer than this is folded to a band of this height.
FOLD_AFTER_S, FOLD_PX = 15 * 60, 24
#: Where a minute has many pixels, fewer minutes are folded: those that would take this many.
_FOLD_ABOVE_PX = 320
#: Left unfolded before and after an event: this long, and no more than that many pixels.
_MARGIN_S, _MARGIN_PX = 90, 32

_INTERVALS_S = (
    5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 43200, 86400
)  # fmt: skip
_APART_PX = 32


@dataclass(frozen=True, slots=True)
class Stretch:
    """A piece of the axis, drawn at one scale. ``high`` is its later end."""

    high: float
    low: float
    top: float
    bottom: float
    folded: bool


@dataclass(frozen=True, slots=True)
class AxisTick:
    """A label on the axis."""

    y: float
    text: str
    day: bool


class Axis:
    """Maps moments to pixels, newest on top.

    A minute has ``scale`` pixels, or more where a box needs them: what is too short to be read
    is drawn as tall as it must be, and the time that it took is stretched for all columns
    alike. So what happened at the same time is at the same height, and no box is in the way of
    another or of a fold.

    :param busy: (start, end) of everything that must not be folded away.
    :param scale: pixels for a minute.
    :param least: (start, end, pixels) of what must have at least that height.
    """

    def __init__(
        self,
        start: float,
        end: float,
        busy: Iterable[tuple[float, float]],
        *,
        scale: float,
        fold: bool = True,
        least: Iterable[tuple[float, float, float]] = (),
    ) -> None:
        self.start, self.end, self.scale = start, end, scale
        self.stretches: list[Stretch] = []
        self._times: list[float] = []  # negated, so that they rise with the pixels
        self._pixels: list[float] = []
        needs: dict[float, list[tuple[float, float]]] = {}
        moments: set[float] = set()
        for begin, finish, pixels in least:
            low, high = self._clamped(begin), self._clamped(finish)
            moments.update((low, high))
            if low < high:
                needs.setdefault(low, []).append((high, pixels))
        rest = sorted(moments)
        known: dict[float, float] = {}
        y = 0.0
        for high, low, folded in _pieces(start, end, busy if fold else [(start, end)], scale):
            top, at = y, high
            inside = [high]
            while rest and rest[-1] >= low:
                inside.append(rest.pop())
            for moment in [*inside, low]:
                if folded:
                    y = top + FOLD_PX * (moment == low)
                else:
                    y += (at - moment) / 60 * scale
                    y = max([y, *(known[e] + px for e, px in needs.pop(moment, ()))])
                at = moment
                known[moment] = y
                self._times.append(-moment)
                self._pixels.append(y)
            self.stretches.append(Stretch(high, low, top, y, folded))
        self.height = y

    def _clamped(self, at: float) -> float:
        return min(max(at, self.start), self.end)

    def y(self, at: float) -> float:
        """The pixel of a moment; those outside the range are put on its edge."""
        at = self._clamped(at)
        place = bisect_left(self._times, -at)
        if place == 0:
            return 0.0
        if place == len(self._times):
            return round(self._pixels[-1], 1)
        above, below = self._times[place - 1], self._times[place]
        share = (-at - above) / (below - above)
        top, bottom = self._pixels[place - 1], self._pixels[place]
        return round(top + share * (bottom - top), 1)

    def moment(self, y: float) -> float:
        """The time at a pixel: the other way round than :meth:`y`."""
        place = min(max(1, bisect_left(self._pixels, y)), len(self._pixels) - 1)
        above, below = self._pixels[place - 1], self._pixels[place]
        share = (y - above) / (below - above) if below > above else 0.0
        return -(self._times[place - 1] + share * (self._times[place] - self._times[place - 1]))

    def ticks(self, zone: tzinfo) -> list[AxisTick]:
        """Labels at round times of the viewer's zone, at least 32 pixels apart.

        Where time is stretched there are labels of shorter intervals between.
        """
        marks: list[tuple[float, float, int]] = []  # y, moment, interval
        for one in self.stretches:
            if not one.folded:
                marks += self._marks(one, zone)
        found: list[AxisTick] = []
        day = None
        for y, at, interval in marks:
            then = datetime.fromtimestamp(at, zone)
            new_day = day is not None and then.date() != day
            text = f"{then:%H:%M}" if interval >= 60 else f"{then:%H:%M:%S}"
            found.append(AxisTick(y, f"{then:%b} {then.day}" if new_day else text, new_day))
            day = then.date()
        return found

    def _marks(self, one: Stretch, zone: tzinfo) -> list[tuple[float, float, int]]:
        """(y, moment, interval) of the labels of a stretch, top down."""
        offset = datetime.fromtimestamp(one.high, zone).utcoffset()
        shift = offset.total_seconds() if offset else 0
        edges = [one.top + 7 - _APART_PX, one.bottom - 7 + _APART_PX]
        marks: list[tuple[float, float, int]] = []
        usual = next((s for s in _INTERVALS_S if s / 60 * self.scale >= 40), _INTERVALS_S[-1])
        for interval in reversed([s for s in _INTERVALS_S if s <= usual]):
            taken = sorted([*edges, *(mark[0] for mark in marks)])
            added = []
            for above, below in pairwise(taken):
                if below - above < (2 if interval == usual else 3) * _APART_PX:
                    continue
                at = (self.moment(above + _APART_PX) + shift) // interval * interval - shift
                last = above
                while at >= self.moment(below - _APART_PX):
                    y = self.y(at)
                    if y - last >= _APART_PX and below - y >= _APART_PX:
                        added.append((y, at, interval))
                        last = y
                    at -= interval
            marks += added
        if not marks and one.bottom - one.top >= 14:
            y = round((one.top + one.bottom) / 2, 1)
            marks.append((y, self.moment(y), 60))
        return sorted(marks)


def _pieces(
    start: float, end: float, busy: Iterable[tuple[float, float]], scale: float
) -> list[tuple[float, float, bool]]:
    """(later end, earlier end, folded) of the pieces of the axis, latest first."""
    margin = min(_MARGIN_S, _MARGIN_PX / scale * 60)
    longest = min(FOLD_AFTER_S, _FOLD_ABOVE_PX / scale * 60)
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
