"""The scale that suits what is shown, and where boxes are so that none lies over another."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from ci_www.pages.wf_time import Axis

#: Scales that are tried, the finest first: pixels for a minute.
SCALES = (256.0, 128.0, 64.0, 32.0, 16.0, 8.0, 4.0, 2.0, 1.0, 0.5)
#: What a reader may ask for.
LEAST_SCALE, MOST_SCALE = 0.5, 256.0
#: A picture is not taller than this, unless a reader asks for it, and fills a window if it can.
MOST_PX, _WINDOW_PX = 4000.0, 600.0
#: The usual build is to have so much, so that its text fits.
_USUAL_PX = 20.0
#: Every box can be seen: it has a pixel at least, which is the most that a height is wrong by.
LEAST_PX = 1.0


def fitting_axis(
    start: float,
    end: float,
    spans: Sequence[tuple[float, float]],
    others: Iterable[tuple[float, float]],
    *,
    scale: float | None = None,
    fold: bool = True,
    room_px: float = 0.0,
    usual_px: float = _USUAL_PX,
    most_px: float = MOST_PX,
) -> Axis:
    """The axis of one scale on which the usual build can be read, as far as there is room.

    :param spans: (start, end) of the builds.
    :param others: (start, end) of what else must not be folded away.
    :param scale: pixels for a minute; None to choose.
    :param usual_px: the height that the median build is to have.
    """
    busy = [*spans, *others]

    def made(pixels: float) -> Axis:
        return Axis(start, end, busy, scale=pixels, fold=fold, room_px=room_px)

    if scale is not None:
        return made(scale)
    usual_s = median(max(b - a, 1.0) for a, b in spans) if spans else 0.0
    if not usual_s:
        return made(4.0)
    axis = None
    for pixels in SCALES:
        tried = made(pixels)
        if tried.height > most_px and pixels > SCALES[-1]:
            continue
        small = usual_s / 60 * pixels < usual_px or tried.height < _WINDOW_PX
        if axis is not None and small:
            break  # the one before is the coarsest that still shows enough
        axis = tried
    assert axis is not None  # the coarsest scale takes any height
    return axis


@dataclass(slots=True)
class Place:
    """Where one box is, and of which spans."""

    members: list[int]
    top: float
    bottom: float
    lane: int = 0
    lanes: int = 1


def _groups(spans: Sequence[tuple[float, float]]) -> list[list[int]]:
    """Indexes of what overlaps, from the top."""
    found: list[list[int]] = []
    reach = 0.0
    for index in sorted(range(len(spans)), key=lambda i: spans[i]):
        top, bottom = spans[index]
        if found and top < reach:
            found[-1].append(index)
        else:
            found.append([index])
            reach = bottom
        reach = max(reach, bottom)
    return found


def _lanes(spans: Sequence[tuple[float, float]], group: Sequence[int]) -> list[list[int]]:
    """A group as lanes in which nothing overlaps."""
    lanes: list[list[int]] = []
    for index in group:
        lane = next((one for one in lanes if spans[one[-1]][1] <= spans[index][0]), None)
        if lane is None:
            lanes.append([index])
        else:
            lane.append(index)
    return lanes


class _Column:
    """Boxes of a column, put from the top."""

    def __init__(self) -> None:
        self.placed: list[Place] = []
        self.lowest: Place | None = None  # all that follows is below it
        self.floor = float("-inf")

    def alone(self, members: list[int], top: float, bottom: float) -> None:
        """A box over the whole width."""
        last = self.lowest
        if last is not None and bottom - top < LEAST_PX and top < self.floor:
            last.members += members
            last.bottom = self.floor = max(self.floor, bottom)
            return
        self.lowest = self._put(members, max(top, self.floor), bottom)
        self.floor = self.lowest.bottom

    def side_by_side(self, lanes: list[list[tuple[int, float, float]]]) -> None:
        """Boxes that were at the same time."""
        lowest: Place | None = None
        for number, lane in enumerate(lanes):
            last, floor = self.lowest, self.floor
            for index, top, bottom in lane:
                if last is not None and bottom - top < LEAST_PX and top < floor:
                    last.members.append(index)
                    continue
                last = self._put([index], max(top, floor), bottom)
                last.lane, last.lanes = number, len(lanes)
                floor = last.bottom
                if lowest is None or lowest.bottom < floor:
                    lowest = last
        assert lowest is not None  # what is not thin has a box
        self.lowest, self.floor = lowest, lowest.bottom

    def _put(self, members: list[int], top: float, bottom: float) -> Place:
        one = Place(members, top, max(bottom, top + LEAST_PX))
        self.placed.append(one)
        return one


def arrange(spans: Sequence[tuple[float, float]]) -> list[Place]:
    """Boxes for spans of pixels in a column, from the top; none lies over another.

    A box is as tall as its span, to a pixel. What overlaps is side by side. Spans that are too
    short and too close together to be drawn apart become one box of several members.

    :param spans: (top, bottom), with ``top <= bottom``.
    """
    column = _Column()
    for group in _groups(spans):
        top = spans[group[0]][0]
        bottom = max(spans[index][1] for index in group)
        if len(group) == 1 or bottom - top < 2 * LEAST_PX:
            column.alone(list(group), top, bottom)
        else:
            column.side_by_side(
                [[(index, *spans[index]) for index in lane] for lane in _lanes(spans, group)]
            )
    return sorted(column.placed, key=lambda one: (one.top, one.lane))
