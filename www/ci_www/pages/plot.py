"""The plot of how long a builder's last builds took: bars of an SVG, geometry in attributes."""

from dataclasses import dataclass

from ci_www.pages import urls
from ci_www.pages.times import duration
from ci_www.pages.words import WORDS, Kind, kind_of

HEIGHT = 64
_STEP = 10


@dataclass(slots=True)
class Bar:
    """One build."""

    x: float
    y: float
    height: float
    kind: Kind
    label: str
    url: str


@dataclass(slots=True)
class Plot:
    """All bars, oldest at the left."""

    bars: list[Bar]
    width: int
    median_y: float | None
    longest_s: int


def duration_plot(
    builds: list[tuple[int, int, int]], segment: str, median_s: int | None, *, places: int = 60
) -> Plot | None:
    """Make a plot.

    :param builds: (number, results, seconds), newest first.
    :returns: None if there are fewer than two builds: nothing to compare.
    """
    if len(builds) < 2:
        return None
    builds = builds[:places]
    longest = max(1, *(seconds for _n, _r, seconds in builds))
    bars = []
    shift = places - len(builds)
    for place, (number, results, seconds) in enumerate(reversed(builds)):
        height = max(2.0, round((HEIGHT - 4) * seconds / longest, 1))
        kind = kind_of(results)
        bars.append(
            Bar(
                x=(place + shift) * _STEP,
                y=HEIGHT - height,
                height=height,
                kind=kind,
                label=f"#{number} {WORDS[kind]}, {duration(seconds)}",
                url=urls.build(segment, number),
            )
        )
    median_y = None
    if median_s is not None and median_s <= longest:
        median_y = round(HEIGHT - (HEIGHT - 4) * median_s / longest, 1)
    return Plot(bars, places * _STEP, median_y, longest)
