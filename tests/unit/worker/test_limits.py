"""How long a program may run, be silent, and how much it may write."""

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ci_worker.commands.limits import Limits, LimitWatch


class LimitTests(SynchronousTestCase):
    def watch(self, **limits: float | int) -> LimitWatch:
        self.clock = Clock()
        self.exceeded: list[tuple[str, str]] = []
        watch = Limits(**limits).watch(  # type: ignore[arg-type]
            self.clock, lambda reason, text: self.exceeded.append((reason, text))
        )
        watch.start()
        return watch

    def test_silence_is_counted_from_the_last_output(self) -> None:
        watch = self.watch(silence_s=10)
        self.clock.advance(9)
        watch.touch()
        self.clock.advance(9)
        self.assertEqual(self.exceeded, [])
        self.clock.advance(1)
        self.assertEqual(
            self.exceeded,
            [("timeout_without_output", "command timed out: 10 seconds without output")],
        )

    def test_silence_while_nobody_listens_does_not_count(self) -> None:
        watch = self.watch(silence_s=10)
        watch.suspend()
        self.clock.advance(25)
        self.assertEqual(self.exceeded, [])
        watch.touch()
        self.clock.pump([1] * 16)
        self.assertEqual(len(self.exceeded), 1)

    def test_the_whole_time_is_limited_even_with_output(self) -> None:
        watch = self.watch(total_s=10)
        self.clock.advance(9)
        watch.touch()
        self.clock.advance(1)
        self.assertEqual(self.exceeded, [("timeout", "command timed out: 10 seconds elapsed")])

    def test_only_the_first_limit_is_told(self) -> None:
        watch = self.watch(total_s=10, max_lines=20)
        watch.count_lines(20)
        self.assertEqual(self.exceeded, [])
        watch.count_lines(21)
        watch.count_lines(22)
        self.clock.advance(20)
        text = "command exceeds max lines: 21/20 written/allowed"
        self.assertEqual(self.exceeded, [("max_lines_failure", text)])

    def test_after_the_end_no_timer_is_left(self) -> None:
        watch = self.watch(silence_s=1, total_s=2)
        watch.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_limits_are_described_for_the_log(self) -> None:
        self.assertEqual(Limits(1, 66).described(), " (timeout 1 sec) (maxTime 66 secs)")
        self.assertEqual(Limits().described(), "")
