"""Which failures may pass."""

import pytest
from twisted.internet.defer import TimeoutError
from twisted.internet.error import ConnectionLost, ConnectionRefusedError, DNSLookupError
from twisted.python.failure import Failure
from twisted.web.client import ResponseNeverReceived

from ci_common.faults import Refused
from ci_master.reporters.sending import TryAgain, Undelivered, may_pass


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (TryAgain("busy"), True),
        (Undelivered("no"), False),
        (ConnectionRefusedError(), True),
        (ConnectionLost(), True),
        (DNSLookupError("no such host"), True),
        (TimeoutError(), True),
        (OSError("disk full"), True),
        (ResponseNeverReceived([Failure(ConnectionLost())]), True),
        (ResponseNeverReceived([Failure(ValueError("a mistake"))]), False),
        (Refused(503, "the database does not answer"), True),
        (Refused(404, "there is no such build"), False),
        (UnicodeEncodeError("ascii", "\u00e4", 0, 1, "ordinal not in range"), False),
        (KeyError("a mistake"), False),
    ],
)
def test_errors_of_the_world_may_pass_and_others_may_not(error: Exception, passes: bool) -> None:
    assert may_pass(error) is passes
