"""The time axis of the waterfall: newest on top, long idle stretches folded."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, tzinfo

#: A stretch without any event that is longer than this is folded to a band of this height.
FOLD_AFTER_S, FOLD_PX = 15 * 60, 24
#: Left unfolded before and after an event.
_MARGIN_S = 90

_INTERVALS_MIN = (1, 2, 5, 10, 15, 30, 60, 120, 240, 480, 720, 1440)


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
    """Maps moments to pixels.

    :param busy: (start, end) of everything that must not be folded away.
    :param scale: pixels for a minute.
    """

    def __init__(
        self,
        start: float,
        end: float,
        busy: Iterable[tuple[float, float]],
        *,
        scale: float,
        fold: bool = True,
    ) -> None:
        self.start, self.end, self.scale = start, end, scale
        self.stretches: list[Stretch] = []
        y = 0.0
        for high, low, folded in _pieces(start, end, busy if fold else [(start, end)]):
            height = FOLD_PX if folded else (high - low) / 60 * scale
            self.stretches.append(Stretch(high, low, y, y + height, folded))
            y += height
        self.height = y
        self._lows = [-one.low for one in self.stretches]

    def y(self, at: float) -> float:
        """The pixel of a moment; those outside the range are put on its edge."""
        at = min(max(at, self.start), self.end)
        place = min(bisect_left(self._lows, -at), len(self.stretches) - 1)
        one = self.stretches[place]
        if one.high == one.low:
            return one.top
        share = (one.high - at) / (one.high - one.low)
        return round(one.top + share * (one.bottom - one.top), 1)

    def ticks(self, zone: tzinfo) -> list[AxisTick]:
        """Labels at round times of the viewer's zone, at least 40 pixels apart."""
        minutes = next(
            (one for one in _INTERVALS_MIN if one * self.scale >= 40), _INTERVALS_MIN[-1]
        )
        found: list[AxisTick] = []
        day = None
        for one in self.stretches:
            if one.folded:
                continue
            offset = datetime.fromtimestamp(one.high, zone).utcoffset()
            shift = offset.total_seconds() if offset else 0
            step = minutes * 60
            at = (one.high + shift) // step * step - shift
            count = len(found)
            while at >= one.low:
                y = self.y(at)
                inside = one.top + 7 <= y <= one.bottom - 7
                if inside and (not found or y - found[-1].y >= 18):
                    then = datetime.fromtimestamp(at, zone)
                    new_day = then.date() != day
                    text = f"{then:%b} {then.day}" if new_day and day else f"{then:%H:%M}"
                    found.append(AxisTick(y, text, bool(new_day and day)))
                    day = then.date()
                at -= step
            middle = (one.top + one.bottom) / 2
            if len(found) == count and one.bottom - one.top >= 14:
                then = datetime.fromtimestamp((one.high + one.low) / 2, zone)
                found.append(AxisTick(round(middle, 1), f"{then:%H:%M}", False))
                day = then.date()
        return found


def _pieces(
    start: float, end: float, busy: Iterable[tuple[float, float]]
) -> list[tuple[float, float, bool]]:
    """(later end, earlier end, folded) of the pieces of the axis, latest first."""
    spans = sorted(
        (max(start, a - _MARGIN_S), min(end, b + _MARGIN_S))
        for a, b in busy
        if b >= start and a <= end
    )
    spans.append((end, end))
    pieces: list[tuple[float, float, bool]] = []
    at = begin = start
    for a, b in spans:
        if a - at > FOLD_AFTER_S:
            if at > begin:
                pieces.append((at, begin, False))
            pieces.append((a, at, True))
            begin = a
        at = max(at, b)
    if end > begin or not pieces:
        pieces.append((end, begin, False))
    return pieces[::-1]
