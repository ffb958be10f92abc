"""How much the queue looks at: it must not grow with what waits."""

import pytest

from tests.unit.queue.desk import Desk


def looks_per_start(waiting: int, *, builders: int, workers: int, max_builds: int | None) -> float:
    """Requests, builders and workers looked at for each build, where so many requests wait."""
    names = [f"b{number}" for number in range(builders)]
    desk = Desk(
        {name: {} for name in names},
        {f"w{number}": {"max_builds": max_builds} for number in range(workers)},
    )
    for number in range(waiting):
        desk.ask(names[number % builders], turn=False)
    desk.attach()
    board = desk.queue.board
    looks, starts = board.looks, 0
    while desk.builds and starts < 50:
        desk.builds[0].end()
        starts += 1
    return (board.looks - looks) / starts


@pytest.mark.parametrize(
    ("builders", "workers", "max_builds"), [(20, 1, 4), (1, 20, None), (20, 20, 1), (3, 2, None)]
)
def test_a_start_costs_the_same_however_much_waits(
    builders: int, workers: int, max_builds: int | None
) -> None:
    shape = {"builders": builders, "workers": workers, "max_builds": max_builds}
    few, many = looks_per_start(100, **shape), looks_per_start(1000, **shape)
    assert many <= few + 1
    assert many <= 16


def test_a_start_costs_the_same_however_many_builders_wait() -> None:
    few = looks_per_start(200, builders=10, workers=1, max_builds=4)
    many = looks_per_start(200, builders=100, workers=1, max_builds=4)
    assert many <= few + 1
