"""The way from the first signal to the last."""

import signal
from typing import Any

import pytest
from twisted.internet.task import Clock

from ci_common.processes import tree
from ci_worker.commands.stopping import SURVIVAL_S, Stopping


class Stopped:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
        self.clock = Clock()
        self.sent: list[Any] = []
        monkeypatch.setattr(tree, "descendants", lambda pid: set())
        monkeypatch.setattr(tree, "signal_group", lambda pid, number: self.sent.append(number))
        monkeypatch.setattr(tree, "kill_tree", lambda *_, **__: self.sent.append("kill all"))
        options = {"sigterm_time_s": None, "interrupt_signal": "KILL", **options}
        self.stopping = Stopping(
            self.clock, 7, on_survival=lambda: self.sent.append("survived"), **options
        )
        self.stopping.begin()

    def after(self, seconds: float) -> list[Any]:
        self.clock.advance(seconds)
        return self.sent


def test_killing_is_the_default_and_a_survivor_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stopped = Stopped(monkeypatch)
    assert stopped.sent == ["kill all"]
    assert stopped.after(SURVIVAL_S) == ["kill all", "survived"]


def test_sigterm_may_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = Stopped(monkeypatch, sigterm_time_s=3)
    assert stopped.sent == [signal.SIGTERM]
    assert stopped.after(3) == [signal.SIGTERM, "kill all"]


@pytest.mark.parametrize("name", ["INT", "SIGINT", int(signal.SIGINT)])
def test_another_signal_is_followed_by_a_kill(monkeypatch: pytest.MonkeyPatch, name: Any) -> None:
    stopped = Stopped(monkeypatch, interrupt_signal=name)
    assert stopped.sent == [signal.SIGINT]
    assert stopped.after(SURVIVAL_S) == [signal.SIGINT, "kill all"]


def test_after_its_end_only_what_it_left_behind_is_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stopped = Stopped(monkeypatch, sigterm_time_s=3)
    stopped.stopping.end()
    assert stopped.after(60) == [signal.SIGTERM, "kill all"]
