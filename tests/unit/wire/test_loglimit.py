"""A noisy peer does not fill the log."""

from twisted.internet.task import Clock

from ci_master.wire.loglimit import LogLimit


def test_lines_beyond_the_limit_are_counted_and_told_at_the_end_of_the_period() -> None:
    clock = Clock()
    lines: list[str] = []
    limit = LogLimit(clock, lines.append, most=2, period_s=60)
    for number in range(5):
        limit.say(f"line {number}")
    assert lines == ["line 0", "line 1"]
    clock.advance(60)
    assert lines[2:] == ["3 more lines of this kind in the last minute"]
    limit.say("again")
    assert lines[-1] == "again"
    limit.close()
    assert clock.getDelayedCalls() == []
