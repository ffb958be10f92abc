"""How much a waterfall shows: pixels for a minute, and how tall its boxes are at least."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ci_www.pages.wf_boxes import Run, least_height, span
from ci_www.pages.wf_time import Axis

#: Scales that are tried, from the coarsest, until the picture fills a window.
SCALES = (4.0, 8.0, 16.0, 32.0, 64.0)
_WINDOW_PX = 600


@dataclass(frozen=True, slots=True)
class Detail:
    """What boxes say."""

    steps: bool  # each step on a line of its own
    line: float  # the height of a box without steps
    most_px: float  # not if the whole would be taller than this


DETAILS = (
    Detail(True, 18.0, 3200.0),
    Detail(False, 18.0, 6000.0),
    Detail(False, 12.0, 9000.0),
    Detail(False, 6.0, float("inf")),
)


def fitting_axis(
    start: float,
    end: float,
    columns: Iterable[Sequence[Run]],
    others: Iterable[tuple[float, float]],
    *,
    now: float,
    scale: float | None = None,
    fold: bool = True,
    steps: str = "",
) -> Axis:
    """The axis on which everything in the range can be read, as far as there is room.

    :param columns: the runs of builds of each builder.
    :param others: (start, end) of what else must not be folded away.
    :param scale: pixels for a minute; None to choose.
    :param steps: ``1`` gives each step a line, ``0`` none, empty where that is not too tall.
    """
    runs = [(run, *span(run, now)) for column in columns for run in column]
    busy = [(begin, finish) for _run, begin, finish in runs]
    busy += others
    details = [one for one in DETAILS if not (one.steps and steps == "0")]
    if steps == "1":
        details = [Detail(True, 18.0, float("inf"))]
    least = {
        one: [
            (begin, finish, least_height(run, steps=one.steps, line=one.line))
            for run, begin, finish in runs
        ]
        for one in details
    }
    axis = None
    for pixels in SCALES if scale is None else (scale,):
        for one in details:
            axis = Axis(start, end, busy, scale=pixels, fold=fold, least=least[one])
            if axis.height <= one.most_px:
                break
        assert axis is not None  # the last detail takes any height
        if axis.height >= _WINDOW_PX or not runs:
            break
    assert axis is not None
    return axis
