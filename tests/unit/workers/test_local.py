"""What the master's log says of a worker that runs beside it."""

from twisted.internet.error import ProcessDone
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure

from ci_master.workers.local import _Child


def said(*pieces: bytes) -> list[str]:
    """The lines of a child's output in the master's log."""
    child = _Child("w", Clock(), lambda: None)
    with capturedLogs() as events:
        for piece in pieces:
            child.outReceived(piece)
        child.processEnded(Failure(ProcessDone(0)))
    return [formatEvent(event) for event in events[:-1]]


def test_the_childs_time_stamp_does_not_stand_behind_the_masters() -> None:
    assert said(
        b"2026-01-02 03:04:05+0000 [-] connected to the master\n",
        b"2026-01-02 03:04:05+0100 [Broker (TLS),client] said [-] more\r\n",
        b"Traceback of 2026-01-02 03:04:05+0000 [-] it\n",
    ) == [
        "worker w: connected to the master",
        "worker w: said [-] more",
        "worker w: Traceback of 2026-01-02 03:04:05+0000 [-] it",
    ]


def test_a_line_that_comes_in_pieces_is_one_line() -> None:
    assert said(b"2026-01-02 03:04", b":05+0000 [-] one\ntwo\nth", b"ree") == [
        "worker w: one",
        "worker w: two",
        "worker w: three",
    ]
