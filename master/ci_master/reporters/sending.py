"""How a receiver answers: what may be tried again, and what is refused for good."""

from twisted.internet.defer import TimeoutError
from twisted.internet.error import ConnectError, ConnectionClosed

from ci_common.faults import Refused


class Undelivered(Exception):
    """The receiver did not take a report; the text is for whoever reads the log."""


class TryAgain(Undelivered):
    """It may take it later."""


def may_pass(error: BaseException) -> bool:
    """Whether an error tells of the world (a network, a receiver or our database that is away),
    so that the same may succeed later. Any other is the receiver's mind, or a mistake of ours.
    """
    if isinstance(error, Undelivered):
        return isinstance(error, TryAgain)
    if isinstance(error, Refused):
        return error.status == 503
    reasons = getattr(error, "reasons", None)  # how Twisted wraps what broke off a request
    if isinstance(reasons, list):
        return any(may_pass(reason.value) for reason in reasons)
    return isinstance(error, OSError | ConnectError | ConnectionClosed | TimeoutError)
