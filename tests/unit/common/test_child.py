"""A program that is told to stop: the way from the first signal to the last."""

import signal
from typing import Any

import pytest
from twisted.internet.error import ProcessDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from ci_common.processes import child
from ci_common.processes.child import REST_S, SURVIVAL_S, ChildProcess, Ended, signal_number


class Recording(ChildProcess):
    """One run whose processes are a list of what is done to them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = Clock()
        super().__init__(self.clock)
        self.sent: list[Any] = []
        self.root_has_ended = False
        monkeypatch.setattr(child, "spawn_in_session", lambda *_, **__: self)
        self.transport = self
        self.spawn(["p"], env={}, cwd=".")

    # the tree, and the transport

    def snapshot(self) -> None:
        self.sent.append("look")

    def signal(self, number: int) -> None:
        self.sent.append(number)

    def kill(self) -> None:
        self.sent.append("kill all")

    def close(self) -> None:
        self.sent.append("closed")

    def loseConnection(self) -> None:
        self.sent.append("lose")

    # the ends

    def program_over(self, ended: Ended) -> None:
        self.sent.append("over")

    def program_survived(self) -> None:
        self.sent.append("survived")

    def output_held(self) -> None:
        self.sent.append("held")

    def after(self, seconds: float) -> list[Any]:
        self.clock.advance(seconds)
        return self.sent[1:]


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Recording:
    return Recording(monkeypatch)


DONE = Failure(ProcessDone(0))


def test_killing_is_the_default_and_a_survivor_is_given_up(running: Recording) -> None:
    running.end()
    running.end()
    assert running.sent == ["look", "kill all"]
    assert running.after(SURVIVAL_S) == ["kill all", "survived", "lose"]
    running.processEnded(DONE)
    assert running.sent[-1] == "lose"


def test_sigterm_may_come_first(running: Recording) -> None:
    running.end(sigterm_time_s=3)
    assert running.after(2.9) == [signal.SIGTERM]
    assert running.after(0.1) == [signal.SIGTERM, "kill all"]


@pytest.mark.parametrize("name", ["INT", "SIGINT", int(signal.SIGINT)])
def test_another_signal_is_followed_by_a_kill(running: Recording, name: Any) -> None:
    running.end(name, patience_s=7)
    assert running.after(6.9) == [signal.SIGINT]
    assert running.after(0.1) == [signal.SIGINT, "kill all"]


def test_a_signal_that_this_system_has_not_is_a_kill() -> None:
    assert signal_number("NONSENSE") == child.KILL


def test_after_its_end_only_what_it_left_behind_is_killed(running: Recording) -> None:
    running.end(sigterm_time_s=3)
    running.processExited(DONE)
    running.processEnded(DONE)
    assert running.root_has_ended
    assert running.after(60) == [signal.SIGTERM, "kill all", "closed", "over"]


def test_one_that_ends_by_itself_leaves_its_background_programs_alone(running: Recording) -> None:
    running.processExited(DONE)
    running.processEnded(DONE)
    assert running.sent == ["closed", "over"]


def test_output_that_is_held_open_by_what_cannot_be_killed_is_closed(running: Recording) -> None:
    running.processExited(DONE)
    running.end("INT")
    assert running.after(REST_S) == [signal.SIGINT, "kill all"]
    running.clock.advance(SURVIVAL_S)
    assert running.sent[3:] == ["held", "kill all", "closed", "over", "lose"]


def test_one_that_ended_while_it_was_started_is_known_to_have_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    running = Recording(monkeypatch)

    def spawn(*_: Any, **__: Any) -> Recording:
        running.processExited(DONE)
        running.root_has_ended = False
        return running

    monkeypatch.setattr(child, "spawn_in_session", spawn)
    running._tree = None
    running.spawn(["p"], env={}, cwd=".")
    assert running.root_has_ended
