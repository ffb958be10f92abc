"""A transaction: all that one logical act writes, and the events that follow its commit.

A change that is accepted, a request that is claimed, a step that ends, a chunk of a log with the
count of its lines: each is one :class:`Transaction`. It is stored whole or not at all. Nobody is
told of it before it is stored, and whoever asked for it learns what became of it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy import Connection, Table
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from ci_master.events.bus import Bus, Key, Message
from ci_master.storage.engine import reason_of

T = TypeVar("T")
Row = Mapping[str, Any]

#: An event: its keys and its message.
Told = tuple[tuple[Key, ...], Message]

#: What a value that is made in the writer's thread is made by.
Make = Callable[[], Any]


class RowMissing(LookupError):
    """An update was asked for of a row that storage does not have."""


class Incomplete(Exception):
    """Something was to be ended of which a part could not be stored; see :class:`Group`."""


class Group:
    """Transactions that write parts of one thing: a log, a step, a build.

    It knows which of them could not be stored, those of its parts (groups whose parent it is)
    among them. The transaction that ends the thing can ask with
    :meth:`Transaction.concludes` to fail if there is one of which nobody knew.
    """

    __slots__ = ("count", "lost", "parent")

    def __init__(self, parent: "Group | None" = None) -> None:
        self.parent = parent
        #: What could not be stored, as far as the reactor knows.
        self.lost: list[str] = []
        #: How much could not be stored, as far as the writer's thread knows.
        self.count = 0

    def with_parents(self) -> Iterator["Group"]:
        """It, and what it is a part of."""
        group: Group | None = self
        while group is not None:
            yield group
            group = group.parent

    def summary(self) -> str:
        """What could not be stored, for a person."""
        kinds = list(dict.fromkeys(self.lost))
        shown = ", ".join(kinds[:3]) + (f" and {len(kinds) - 3} more" if len(kinds) > 3 else "")
        return f"could not be stored: {shown}"


class Answer(Generic[T]):
    """What a function of a transaction returned; there is a value once that is committed."""

    __slots__ = ("value",)

    value: T


class Insert:
    """Write a new row."""

    __slots__ = ("row", "table")

    def __init__(self, table: Table, row: Row) -> None:
        self.table = table
        self.row = row


class Update:
    """Change columns of a row."""

    __slots__ = ("row_id", "table", "values")

    def __init__(self, table: Table, row_id: int, values: Row) -> None:
        self.table = table
        self.row_id = row_id
        self.values = values


class Run:
    """Call a function of the connection."""

    __slots__ = ("answer", "function")

    def __init__(self, function: Callable[[Connection], Any], answer: Answer[Any]) -> None:
        self.function = function
        self.answer = answer


Op = Insert | Update | Run


class Commits(Protocol):
    """What carries transactions out, in the order in which they are handed over."""

    def take(self, transaction: "Transaction") -> None:
        """Carry it out; its :meth:`Transaction.settle` is called once, in the reactor."""


class Transaction:
    """One act. Fill it, then call :meth:`commit` or :meth:`submit`, once.

    Rows are written in an order in which references are kept; a function runs after the rows
    that were asked for before it. No row or values may be changed once they were handed in.

    :param about: what it stores, for messages: "the end of step 'test'".
    :param bus: where its events are told.
    :param group: what it writes a part of, if somebody has to know of a failure at the end.
    """

    __slots__ = (
        "_bus",
        "_done",
        "_followers",
        "_known",
        "_late",
        "_store",
        "_when_failed",
        "about",
        "concluded",
        "durable",
        "failure",
        "group",
        "has_functions",
        "ops",
    )

    log = Logger()

    def __init__(
        self, store: Commits, about: str, *, bus: Bus | None = None, group: Group | None = None
    ) -> None:
        self._store = store
        self._bus = bus
        self.about = about
        self.group = group
        #: The group that is concluded by this.
        self.concluded: Group | None = None
        self._known = 0
        self.ops: list[Op] = []
        self.has_functions = False
        #: Whether somebody is promised that it outlives a loss of power.
        self.durable = False
        #: Set by the writer if it could not be stored.
        self.failure: Failure | None = None
        self._done: Deferred[None] | None = None
        self._late: list[tuple[Insert | Update, Mapping[str, Make]]] | None = None
        self._followers: list[Callable[[], None] | Told] = []
        self._when_failed: list[Callable[[Failure], None]] | None = None

    # -- what is written

    def insert(self, table: Table, row: Row, *, late: Mapping[str, Make] | None = None) -> None:
        """Write a new row, which has an ``id``.

        :param late: columns whose values are costly: they are made once, in the writer's thread.
        """
        op = Insert(table, row)
        self.ops.append(op)
        if late is not None:
            self._make_late(op, late)

    def update(
        self, table: Table, row_id: int, values: Row, *, late: Mapping[str, Make] | None = None
    ) -> None:
        """Change columns of the row with this id. That there is no such row is a failure.

        :param late: see :meth:`insert`.
        """
        op = Update(table, row_id, values)
        self.ops.append(op)
        if late is not None:
            self._make_late(op, late)

    def run(self, function: Callable[[Connection], T]) -> Answer[T]:
        """Call a function of the connection; the transaction fails if it raises.

        It may be called more than once, if the database goes away in its midst.
        """
        answer: Answer[T] = Answer()
        self.ops.append(Run(function, answer))
        self.has_functions = True
        return answer

    def concludes(self, group: Group) -> None:
        """Fail with :class:`Incomplete` if a part of the group could not be stored, and that
        was not known yet when this was called."""
        self.concluded = group
        self._known = len(group.lost)

    def _make_late(self, op: Insert | Update, late: Mapping[str, Make]) -> None:
        if self._late is None:
            self._late = []
        self._late.append((op, late))

    # -- what follows

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call back in the reactor once it is stored, before and after what else follows."""
        self._followers.append(callback)

    def tell(self, message: Callable[[], Message], *keys: Key) -> None:
        """Publish an event under each of these keys once it is stored.

        The message is made at once, so that it shows the resource as it is now; it is not made
        if nobody wants it.
        """
        if self._bus is None:
            raise ValueError(f"no bus was given for {self.about}")
        self._record(self._bus, message, keys)
        wanted = tuple(key for key in keys if self._bus.wants(key))
        if wanted:
            self._followers.append((wanted, message()))

    def tell_then(self, message: Callable[[], Message], *keys: Key) -> None:
        """The same, but the message is made when it is stored: for what changes only then.

        What reporters get of it is as it is now.
        """
        if self._bus is None:
            raise ValueError(f"no bus was given for {self.about}")
        bus = self._bus
        self._record(bus, message, keys)

        def publish() -> None:
            wanted = [key for key in keys if bus.wants(key)]
            if wanted:
                made = message()
                for key in wanted:
                    bus.publish(key, made)

        self._followers.append(publish)

    def _record(self, bus: Bus, message: Callable[[], Message], keys: Iterable[Key]) -> None:
        """Have events stored with the rest that reporters must not miss."""
        recorder = bus.recorder
        if recorder is not None:
            for key in keys:
                if recorder.wants(key):
                    recorder.record(self, key, message())

    def on_failure(self, callback: Callable[[Failure], None]) -> None:
        """Call back in the reactor if it could not be stored."""
        if self._when_failed is None:
            self._when_failed = []
        self._when_failed.append(callback)

    @property
    def follows(self) -> bool:
        """Whether anything follows its commit."""
        return bool(self._followers)

    # -- handing it over

    def commit(self) -> "Deferred[None]":
        """Have it stored; fires when that is done and its events are told, or fails."""
        self.durable = True
        done = self._done = Deferred()
        self._store.take(self)
        return done

    def submit(self) -> None:
        """Have it stored; nobody waits. A failure is logged, after ``on_failure`` was called."""
        self._store.take(self)

    # -- for those who carry it out

    @property
    def is_late(self) -> bool:
        """Whether there are values to be made yet."""
        return bool(self._late)

    def prepare(self) -> None:
        """Make the values that are made late and are not made yet, in the writer's thread."""
        while self._late:
            op, columns = self._late[-1]
            made = {name: make() for name, make in columns.items()}
            if isinstance(op, Insert):
                op.row = {**op.row, **made}
            else:
                op.values = {**op.values, **made}
            self._late.pop()

    def misses_a_part(self, lost_now: Mapping[Group, int]) -> bool:
        """Whether the group that it concludes has lost something nobody knew of.

        :param lost_now: how much each group loses in the batch that is being written.
        """
        group = self.concluded
        return group is not None and group.count + lost_now.get(group, 0) > self._known

    def losers(self) -> Iterator[Group]:
        """The groups that miss something because this has failed."""
        if self.group is None or self.failure is None or self.failure.check(Incomplete):
            return iter(())
        return self.group.with_parents()

    def settle(self) -> None:
        """Do what follows, in the reactor: it is stored, or ``failure`` says why not.

        It holds nothing afterwards.
        """
        failure, done = self.failure, self._done
        followers, when_failed = self._followers, self._when_failed
        self.ops, self._followers, self._when_failed, self._done = [], [], None, None
        if failure is None:
            self._follow(followers)
            if done is not None:
                done.callback(None)
            return
        for group in self.losers():
            group.lost.append(self.about)
        for callback in when_failed or ():
            try:
                callback(failure)
            except Exception:
                self.log.failure("failed after {about} could not be stored", about=self.about)
        if done is not None:
            done.errback(failure)
        elif not failure.check(Incomplete):
            self.log.error(
                "could not be stored: {about} ({reason})",
                about=self.about,
                reason=reason_of(failure.value),
            )

    def _follow(self, followers: Iterable[Callable[[], None] | Told]) -> None:
        for follower in followers:
            try:
                if isinstance(follower, tuple):
                    keys, message = follower
                    assert self._bus is not None  # tell() checked it
                    for key in keys:
                        self._bus.publish(key, message)
                else:
                    follower()
            except Exception:
                self.log.failure("failed after {about} was stored", about=self.about)
