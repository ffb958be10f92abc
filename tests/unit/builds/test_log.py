"""Logs: what is stored of what enters, and what observers hear."""

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from ci_master.builds.log import HTMLLog, LogSettings, PlainLog, StreamLog
from ci_master.builds.logobserver import (
    BufferLogObserver,
    LineConsumerLogObserver,
    LogLineObserver,
    LogObserver,
    OutputProgressObserver,
)
from ci_master.secrets import Redactor
from tests.fakes.builds import FakeLog


def stream_log(**settings: Any) -> tuple[StreamLog, FakeLog]:
    writer = FakeLog("stdio", "s")
    return StreamLog("stdio", writer, LogSettings(**settings)), writer


class Recorder:
    def __init__(self) -> None:
        self.heard: list[tuple[str | None, str | None]] = []

    def __call__(self, stream: str | None, text: str | None) -> None:
        self.heard.append((stream, text))


def test_streams_are_kept_apart() -> None:
    log, writer = stream_log()
    log.addHeader("h\n")
    log.addStdout("o")
    log.addStderr(b"e\n")
    log.finish()
    assert writer.parts == [("h", b"h\n"), ("o", b"o"), ("e", b"e\n")]
    assert writer.finished


def test_what_comes_after_the_end_is_dropped() -> None:
    log, writer = stream_log()
    log.finish()
    log.addStdout("late\n")
    log.finish()
    assert writer.parts == []


def test_plain_and_html_logs_have_no_streams() -> None:
    for kind, letter in ((PlainLog, "t"), (HTMLLog, "h")):
        writer = FakeLog("x", letter)
        log = kind("x", writer, LogSettings())
        log.addContent("a\n")
        assert (log.type, writer.parts) == (letter, [("", b"a\n")])


def test_all_line_ends_become_newlines() -> None:
    log, writer = stream_log()
    log.addStdout("a\r\nb\rc\n")
    assert writer.stdout == "a\nb\nc\n"


def test_bytes_are_decoded_also_where_a_character_is_cut_in_two() -> None:
    log, writer = stream_log()
    log.addStdout("ä".encode()[:1])
    log.addStdout("ä".encode()[1:] + b"\n")
    log.addStdout(b"\xff\n")
    assert writer.stdout == "ä\n\N{REPLACEMENT CHARACTER}\n"


def test_other_encodings_and_functions_decode_bytes() -> None:
    log, writer = stream_log(encoding="latin-1")
    log.addStdout(b"\xe4\n")
    assert writer.stdout == "ä\n"
    log, writer = stream_log(encoding=lambda data: data.hex())
    log.addStdout(b"\xff")
    assert writer.stdout == "ff"


def test_lone_surrogates_do_no_harm() -> None:
    log, writer = stream_log()
    log.addStdout("\ud800\n")
    assert writer.stdout == "\\ud800\n"


def test_secrets_are_masked_across_pieces_from_their_first_use_on() -> None:
    redactor = Redactor()
    log, writer = stream_log(redactor=redactor)
    heard = Recorder()
    log.subscribe(heard)
    log.addStdout("s3cret\n")
    redactor.add("pw", "s3cret")
    log.addStdout("a s3c")
    log.addStderr("other\n")
    log.addStdout("ret b\n s3")
    log.finish()
    assert writer.stdout == "s3cret\na <pw> b\n s3"
    assert ("o", "a <pw> b\n") in heard.heard


def test_a_log_is_cut_at_its_limit() -> None:
    log, writer = stream_log(max_bytes=10)
    log.addStdout("12345\n")
    log.addStdout("6789012\n")
    log.addStdout("more\n")
    log.finish()
    assert writer.stdout == "12345\n6789"
    note = "\nOutput exceeded 10 bytes, remaining output has been truncated\n"
    assert writer.header == note


def test_no_character_is_cut_in_two_at_the_limit() -> None:
    log, writer = stream_log(max_bytes=2, max_tail_bytes=3)
    log.addStdout("aää")
    log.finish()
    assert writer.stdout == "a" + "ä"


def test_the_tail_follows_at_the_end() -> None:
    log, writer = stream_log(max_bytes=4, max_tail_bytes=8)
    for number in range(10):
        log.addStdout(f"{number}..\n")
    log.finish()
    assert writer.stdout == "0..\n8..\n9..\n"
    assert "Final 8 bytes follow below:\n" in writer.header


def test_observers_hear_whole_lines_and_the_end() -> None:
    log, _ = stream_log()
    heard = Recorder()
    log.subscribe(heard)
    log.addStdout("a\nb")
    log.addStderr("e\n")
    log.addStdout("c\nd")
    log.finish()
    assert heard.heard == [("o", "a\n"), ("e", "e\n"), ("o", "bc\n"), ("o", "d\n"), (None, None)]


def test_an_observer_can_stop_listening() -> None:
    log, _ = stream_log()
    heard = Recorder()
    subscription = log.subscribe(heard)
    subscription.unsubscribe()
    log.addStdout("a\n")
    assert heard.heard == []


def test_a_failing_observer_hears_no_more_and_does_not_hurt_others() -> None:
    log, writer = stream_log()

    def fails(stream: Any, text: Any) -> None:
        raise ValueError(text)

    heard = Recorder()
    log.subscribe(fails)
    log.subscribe(heard)
    log.addStdout("a\n")
    log.addStdout("b\n")
    assert len(log.observer_failures) == 1
    assert heard.heard == [("o", "a\n"), ("o", "b\n")]
    assert writer.stdout == "a\nb\n"


def test_the_end_waits_for_observers() -> None:
    log, _ = stream_log()
    waits: Deferred[None] = Deferred()
    log.subscribe(lambda stream, text: waits if text == "a\n" else None)
    log.addStdout("a\n")
    ended: list[None] = []
    log.finish().addCallback(ended.append)
    assert ended == []
    waits.callback(None)
    assert ended == [None]


# -- observers


def observed(observer: LogObserver) -> StreamLog:
    log, _ = stream_log()
    observer.setStep("the step")
    observer.setLog(log)
    log.addHeader("h\n")
    log.addStdout("one\ntwo\n")
    log.addStderr("bad\n")
    log.finish()
    return log


def test_line_observers_get_single_lines() -> None:
    class Lines(LogLineObserver):
        def __init__(self) -> None:
            self.lines: list[tuple[str, str]] = []

        def outLineReceived(self, line: str) -> None:
            self.lines.append(("o", line))

        def errLineReceived(self, line: str) -> None:
            self.lines.append(("e", line))

        def headerLineReceived(self, line: str) -> None:
            self.lines.append(("h", line))

    observer = Lines()
    observer.setMaxLineLength(3)
    log = observed(observer)
    assert observer.lines == [("h", "h"), ("o", "one"), ("o", "two"), ("e", "bad")]
    assert (observer.step, observer.log) == ("the step", log)


def test_lines_that_are_too_long_are_dropped() -> None:
    lines: list[str] = []

    class Lines(LogLineObserver):
        outLineReceived = staticmethod(lines.append)  # type: ignore[assignment]  # same call

    observer = Lines()
    observer.setMaxLineLength(3)
    log, _ = stream_log()
    observer.setLog(log)
    log.addStdout("1234\n123\n")
    assert lines == ["123"]


def test_generators_consume_lines_until_the_end() -> None:
    seen: list[Any] = []

    def consume() -> Any:
        try:
            while True:
                seen.append((yield))
        except GeneratorExit:
            seen.append("end")

    observed(LineConsumerLogObserver(consume))
    assert seen == [("h", "h"), ("o", "one"), ("o", "two"), ("e", "bad"), "end"]


def test_a_generator_may_end_early() -> None:
    seen: list[Any] = []

    def consume() -> Any:
        seen.append((yield))

    observed(LineConsumerLogObserver(consume))
    assert seen == [("h", "h")]


@pytest.mark.parametrize(
    ("arguments", "out", "err"),
    [({}, "one\ntwo\n", ""), ({"wantStdout": False, "wantStderr": True}, "", "bad\n")],
)
def test_buffers_keep_what_is_wanted(arguments: dict[str, bool], out: str, err: str) -> None:
    observer = BufferLogObserver(**arguments)
    observed(observer)
    assert (observer.getStdout(), observer.getStderr()) == (out, err)


def test_progress_observers_count() -> None:
    observer = OutputProgressObserver("output")
    observed(observer)
    assert observer.length == len("h\none\ntwo\nbad\n")


def test_observers_get_an_endless_line_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ci_master.builds.log.LONGEST_LINE", 10)
    log, writer = stream_log()
    heard = Recorder()
    log.subscribe(heard)
    for _ in range(5):
        log.addStdout("abcd")
    log.addStdout("\n")
    log.finish()
    assert heard.heard[0] == ("o", "abcdabcdabcd\n")
    assert "".join(text or "" for _, text in heard.heard) == "abcdabcdabcd\nabcdabcd\n"
    assert writer.stdout == "abcd" * 5 + "\n"
