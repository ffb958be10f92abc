"""Functions of the configuration that choose, and what becomes of those that fail."""

import os
import sysconfig
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import twisted
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

import ci_common
import ci_master
from ci_common.aio import EndedByOverride, call_override, to_deferred
from ci_master.queue.backoff import LONGEST_S

T = TypeVar("T")

#: Seconds after which a function that has not answered counts as failed.
ANSWER_S = 30.0

#: Seconds before what has failed is tried for the first time again; each rest is twice as long
#: as the one before, up to a minute.
FIRST_S = 2.0

_LONGEST_MESSAGE = 200

_NOT_THE_AUTHORS = tuple(
    os.path.join(os.path.dirname(os.path.abspath(path)), "")
    for path in (ci_master.__file__, ci_common.__file__, twisted.__file__)
)
_LIBRARY = os.path.join(sysconfig.get_path("stdlib"), "")
_INSTALLED = f"{os.sep}site-packages{os.sep}"


class CodeFailed(Exception):
    """A function of the configuration raised, gave nonsense, or gave no answer.

    :param what: the function's name: "canStartBuild".
    :param problem: what is wrong, with file and line.
    :param alike: what it has in common with others that need not be logged again.
    """

    def __init__(
        self, what: str, problem: str, failure: Failure | None = None, alike: str = ""
    ) -> None:
        super().__init__(f"{what} {problem}")
        self.what = what
        self.problem = problem
        self.failure = failure
        self.alike = alike or problem


async def ask(clock: IReactorTime, what: str, function: Callable[..., Any], *args: Any) -> Any:
    """Call a function of the configuration, and wait for its answer.

    :raises CodeFailed: if it raises, or does not answer for :data:`ANSWER_S`.
    """
    late = False

    def give_up(result: Any, timeout_s: float) -> Any:
        nonlocal late
        late = True
        return result

    try:
        answer = to_deferred(call_override(function, *args))
        if not answer.called:
            answer.addTimeout(ANSWER_S, clock, onTimeoutCancel=give_up)
        return await answer
    except CancelledError as error:
        if late:
            raise not_answered(what, function) from error
        raise
    except Exception as error:
        raise failed(what, function, error) from error


def not_answered(what: str, function: Any) -> CodeFailed:
    """What is said of a function that does not answer."""
    where = _defined_at(function)
    return CodeFailed(what, f"has not answered for {ANSWER_S:.0f} s{where}")


def failed(what: str, function: Any, error: BaseException) -> CodeFailed:
    """What is said of a function that raised."""
    if isinstance(error, EndedByOverride) and error.__cause__ is not None:
        error = error.__cause__
    message = next(iter(str(error).splitlines()), "")[:_LONGEST_MESSAGE]
    kind = type(error).__name__
    where = _raised_at(error) or _defined_at(function)
    text = f"raised {kind}: {message}" if message else f"raised {kind}"
    return CodeFailed(what, text + where, Failure(error), kind + where)


def nonsense(what: str, function: Any, problem: str) -> CodeFailed:
    """What is said of a function whose answer cannot be used.

    :param problem: "gave 7, which ...".
    """
    return CodeFailed(what, problem + _defined_at(function))


def shown(value: Any) -> str:
    """A value in a message; one that cannot be shown is named by its type."""
    try:
        text = repr(value)
    except Exception:
        text = f"<{type(value).__name__}>"
    return text if len(text) <= 80 else text[:77] + "..."


def _raised_at(error: BaseException) -> str:
    """`` (file:line)`` of the author's line that was running; "" if none was."""
    found = ""
    for frame in traceback.extract_tb(error.__traceback__):
        name = frame.filename
        if name.startswith(_NOT_THE_AUTHORS) or name.startswith("<"):
            continue
        if name.startswith(_LIBRARY) and _INSTALLED not in name:
            continue
        found = f" ({os.path.basename(name)}:{frame.lineno})"
    return found


def _defined_at(function: Any) -> str:
    """`` (file:line)`` of a function's definition; "" if it is none of Python's."""
    function = getattr(function, "func", function)  # of a partial
    code = getattr(function, "__code__", None)
    if code is None or code.co_filename.startswith(_NOT_THE_AUTHORS):
        return ""
    return f" ({os.path.basename(code.co_filename)}:{code.co_firstlineno})"


@dataclass(frozen=True, slots=True)
class Mistake:
    """A function of the configuration that failed when it was asked last."""

    builder: str | None  # None: a function for all builders
    what: str
    problem: str
    request_id: int | None
    since: float

    @property
    def text(self) -> str:
        """A sentence for people."""
        of = f' of "{self.builder}"' if self.builder is not None else ""
        return f"{self.what}{of} {self.problem}"


@dataclass(slots=True)
class _Rest:
    next_s: float = FIRST_S
    timer: IDelayedCall | None = None
    requests: set[int] = field(default_factory=set)
    functions: set[str] = field(default_factory=set)


class Mistakes:
    """Functions of the configuration that failed: told once, tried again after a while.

    :param again: called with the name of a builder (None: all) whose functions may be asked again.
    :param changed: called when there is something new to be told.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        again: Callable[[str | None], None],
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._clock = clock
        self._again = again
        self.changed = changed
        #: builder -> (function, request) -> what is wrong
        self._found: dict[str | None, dict[tuple[str, int | None], Mistake]] = {}
        self._by_request: dict[int, dict[str, Mistake]] = {}
        self._rests: dict[str | None, _Rest] = {}
        self._logged: set[tuple[str | None, str, str]] = set()

    def requests(self) -> Iterator[int]:
        """The requests over which a function has failed."""
        return iter(self._by_request)

    def functions(self) -> list[Mistake]:
        """Of each function that fails, what is wrong, once."""
        found: dict[tuple[str | None, str], Mistake] = {}
        for of_builder in self._found.values():
            for mistake in of_builder.values():
                found.setdefault((mistake.builder, mistake.what), mistake)
        return list(found.values())

    def of_request(self, request_id: int, builder: str) -> Mistake | None:
        """What keeps a request from being started."""
        of_request = self._by_request.get(request_id)
        if of_request:
            return next(iter(of_request.values()))
        return self.of_builder(builder)

    def of_builder(self, builder: str) -> Mistake | None:
        """What keeps all requests of a builder from being started."""
        rest = self._rests.get(builder)
        too_many = rest is not None and _ALL in rest.functions
        for (what, request_id), mistake in self._found.get(builder, {}).items():
            if what not in _NO_STOP and (too_many or request_id is None):
                return mistake
        return None

    def rests(self, builder: str | None, what: str | None = None) -> bool:
        """Whether a function of a builder (None: any that keeps it from starting) is left alone."""
        rest = self._rests.get(builder)
        if rest is None:
            return False
        return what in rest.functions if what is not None else bool(rest.functions - _NO_STOP)

    def request_rests(self, builder: str, request_id: int) -> bool:
        """Whether a request is left alone, because a function failed over it."""
        rest = self._rests.get(builder)
        return rest is not None and request_id in rest.requests

    def note(self, builder: str | None, failed: CodeFailed, request_id: int | None = None) -> None:
        """A function has failed: leave it alone for a while, for a request or altogether."""
        key = (failed.what, request_id)
        found = self._found.setdefault(builder, {})
        before = found.get(key)
        since = before.since if before is not None else self._clock.seconds()
        mistake = Mistake(builder, failed.what, failed.problem, request_id, since)
        found[key] = mistake
        if request_id is not None:
            self._by_request.setdefault(request_id, {})[failed.what] = mistake
        self._say(mistake, failed)
        rest = self._rests.setdefault(builder, _Rest())
        if request_id is not None:
            rest.requests.add(request_id)
        else:
            rest.functions.add(failed.what)
        if rest.timer is None:
            rest.timer = self._clock.callLater(rest.next_s, self._over, builder)
            rest.next_s = min(2 * rest.next_s, LONGEST_S)
        if before is None or before.problem != mistake.problem:
            self.changed()

    def _say(self, mistake: Mistake, failed: CodeFailed) -> None:
        """Log what is new."""
        key = (mistake.builder, mistake.what, failed.alike)
        if key in self._logged:
            return
        self._logged.add(key)
        if failed.failure is not None:
            self.log.failure("{text}", failure=failed.failure, text=mistake.text)
        else:
            self.log.error("{text}", text=mistake.text)

    def rest(self, builder: str) -> None:
        """Ask nothing for a builder for a while: too many of its requests fail."""
        self._rests[builder].functions.add(_ALL)

    def passed(self, builder: str | None, what: str | None, request_id: int | None = None) -> None:
        """A function (None: all of them) has answered as it should."""
        found = self._found.get(builder)
        if not found:
            return
        names = list(self._by_request.get(request_id or 0, ())) if what is None else [what]
        gone = [found.pop((name, request_id), None) for name in names]
        if request_id is not None:
            of_request = self._by_request.get(request_id, {})
            for name in names:
                of_request.pop(name, None)
            if not of_request:
                self._by_request.pop(request_id, None)
        if any(gone):
            self._forget_rest_of(builder)

    def gone(self, request_id: int) -> None:
        """A request waits no more."""
        for mistake in list(self._by_request.pop(request_id, {}).values()):
            self._found[mistake.builder].pop((mistake.what, request_id), None)
            self._forget_rest_of(mistake.builder)

    def clear(self) -> None:
        """Other functions are configured: ask them, as if none had ever failed."""
        for builder in list(self._rests):
            self._forget_rest(builder)
        if self._found:
            self.changed()
        self._found.clear()
        self._by_request.clear()
        self._logged.clear()

    def _forget_rest_of(self, builder: str | None) -> None:
        """The next rest is a short one, if nothing of a builder fails any more."""
        if not self._found.get(builder):
            self._found.pop(builder, None)
            self._forget_rest(builder)
        self.changed()

    def _forget_rest(self, builder: str | None) -> None:
        rest = self._rests.pop(builder, None)
        if rest is not None and rest.timer is not None:
            rest.timer.cancel()

    def _over(self, builder: str | None) -> None:
        rest = self._rests[builder]
        rest.timer = None
        if _ALL not in rest.functions:  # else those behind come first
            rest.requests.clear()
        rest.functions.clear()
        self._again(builder)


#: Stands for all functions of a builder.
_ALL = "*"

#: Functions whose failure does not keep a builder from starting builds.
_NO_STOP = frozenset({"collapseRequests"})


class Outcome(Generic[T]):
    """What a Deferred has given: for whoever is woken up by one of its callbacks.

    It cannot be awaited there, as it has not come to its end.
    """

    def __init__(self, answer: Deferred[T]) -> None:
        self._answer = answer
        self._found: list[T | Failure] = []
        answer.addBoth(self._keep)

    def _keep(self, result: Any) -> Any:
        self._found.append(result)
        return result

    def take(self) -> T:
        """Its result; it must have fired.

        :raises Exception: what it failed with.
        """
        [found] = self._found
        if isinstance(found, Failure):
            self._answer.addErrback(lambda _: None)
            found.raiseException()
        return found


def first_answer(answer: Deferred[Any], clock: IReactorTime, wait_s: float) -> Deferred[bool]:
    """Fires with whether a Deferred has fired within so many seconds; it is left as it is."""
    told: Deferred[bool] = Deferred()
    timer = clock.callLater(wait_s, told.callback, False)

    def fired(result: Any) -> Any:
        if timer.active():
            timer.cancel()
            told.callback(True)
        return result

    answer.addBoth(fired)
    return told
