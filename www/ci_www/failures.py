"""What goes wrong inside: the log gets the traceback, the client the number to look for."""

import secrets

from twisted.logger import Logger
from twisted.python.failure import Failure

__all__ = ["failed", "log_failure"]


def log_failure(log: Logger, what: str, failure: Failure | None = None) -> str:
    """Log a failure with its traceback; by default the exception that is being handled.

    :param what: what failed, for the log only.
    :returns: the number of the request, under which the log has it.
    """
    number = secrets.token_hex(4)
    log.failure("request {number}: {what} failed", failure, number=number, what=what)
    return number


def failed(number: str) -> str:
    """What a client is told. Nothing of the exception: it may hold SQL, paths or secrets."""
    return f"the server failed; its log has the reason under request {number}"
