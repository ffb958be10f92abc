"""Lines of the log that strangers can cause."""

from typing import Any

from twisted.internet.task import Clock

from ci_common.limitedlog import LimitedLog


class Lines:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def warn(self, line: str, **fields: Any) -> None:
        self.lines.append(line.format(**fields))


def test_so_many_lines_a_minute_and_then_how_many_were_left_out() -> None:
    log, clock = Lines(), Clock()
    limited = LimitedLog(log, clock.seconds, most=3)  # type: ignore[arg-type]  # it has warn()
    for number in range(100):
        limited.warn("line {number}", number=number)
    assert log.lines == ["line 0", "line 1", "line 2"]
    clock.advance(60)
    limited.warn("again")
    assert log.lines[3:] == ["97 more lines of this kind were left out", "again"]
    clock.advance(60)
    limited.warn("and again")
    assert log.lines[5:] == ["and again"]
