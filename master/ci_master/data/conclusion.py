"""How steps, builds and requests end, whatever became of what was to be stored of them."""

from collections.abc import Callable
from functools import partial

from twisted.python.failure import Failure

from ci_common.results import EXCEPTION, worst_status
from ci_master.data.model import BuildRow, Request, StepRow
from ci_master.storage.engine import may_pass
from ci_master.storage.transaction import Group, Incomplete, Transaction

#: How often the end of a thing is written anew because more of it turned out to be lost.
TRIES = 3


def conclude(
    thing: StepRow | BuildRow | Request,
    end: Callable[[], Transaction],
    told: Callable[[Failure | None], None] | None = None,
) -> None:
    """Write the end of a thing, which is EXCEPTION if a part of it could not be stored.

    Its state says what is missing, and nobody is told of a result that does not hold. The
    result is set at once where a loss is known already.

    The end of a request may be that of its buildset, which counts the losses of all its builds.

    :param end: makes the transaction, from what the thing is when it is called.
    :param told: called with None when the end is stored, or with the reason why it cannot be.
    """

    def attempt(tries: int) -> None:
        group = thing.group
        if group.lost:
            thing.results = worst_status(_plain(thing.results), EXCEPTION)
            if not isinstance(thing, Request):
                thing.state_string = _with_losses(thing.state_string, group)
        act = end()
        if tries:
            act.concludes(thing.buildset.group if isinstance(thing, Request) else group)
        if told is not None:
            act.after_commit(partial(told, None))
        act.on_failure(partial(again, tries))
        act.submit()

    def again(tries: int, failure: Failure) -> None:
        error = failure.value
        if not tries or error is None or may_pass(error):
            if told is not None:  # it cannot be written, or the database is away for good
                told(failure)
            return
        if not failure.check(Incomplete):  # it cannot be stored as it is
            thing.results = EXCEPTION
        attempt(tries - 1)

    attempt(TRIES)


def _plain(results: int | None) -> int:
    return results if isinstance(results, int) and 0 <= results <= 6 else EXCEPTION


def _with_losses(text: object, group: Group) -> str:
    before = str(text).partition(" (could not be stored: ")[0]
    return f"{before} ({group.summary()})"
