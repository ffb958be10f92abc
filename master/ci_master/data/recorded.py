"""What a configuration made, in a form that a reload can compare.

Objects made in a configuration file remember how they were made (:class:`Recorded`). A reload
makes them all anew; :func:`record_of` turns old and new into plain nested tuples, and only what
differs is touched. Functions and classes of the author's own files are compared by what they
do, not by identity, for each load defines them again.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Self

from ci_master.data.faults import place
from ci_master.data.fingerprint import Fingerprinter

__all__ = ["ComparableMixin", "Fingerprinter", "Recorded", "accumulated", "record_of", "same"]


class Recorded:
    """Remembers the arguments it was made with, and the line of the configuration that did.

    A mixin: it needs no call of ``__init__``. Pickling and copying keep the record.
    """

    #: ``file:line`` of the configuration that made this; empty if none did.
    config_where: str
    recorded_args: tuple[Any, ...]
    recorded_kwargs: dict[str, Any]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        self = super().__new__(cls)
        state = self.__dict__
        state["recorded_args"] = args
        state["recorded_kwargs"] = kwargs
        state["config_where"] = place()
        return self

    def config_record(self) -> Any:
        """What decides whether a newly made object is the same as this one.

        Override it where methods called after construction matter too.
        """
        return self.recorded_args, self.recorded_kwargs


class ComparableMixin:
    """Equal if of the same class and equal in the attributes named by ``compare_attrs``.

    ``compare_attrs`` of all classes in the hierarchy count together.
    """

    compare_attrs: ClassVar[Sequence[str]] = ()

    def _compared(self) -> list[Any]:
        missing = ComparableMixin
        names = accumulated(type(self), "compare_attrs")
        return [getattr(self, name, missing) for name in names]

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(self) is not type(other) or not isinstance(other, ComparableMixin):
            return False
        return self._compared() == other._compared()

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __lt__(self, other: object) -> bool:
        if type(self) is not type(other) or not isinstance(other, ComparableMixin):
            return False
        return self._compared() < other._compared()

    def __le__(self, other: object) -> bool:
        return self == other or self < other

    def __gt__(self, other: object) -> bool:
        if type(self) is not type(other) or not isinstance(other, ComparableMixin):
            return False
        return self._compared() > other._compared()

    def __ge__(self, other: object) -> bool:
        return self == other or self > other

    def __hash__(self) -> int:
        return hash((type(self), tuple(map(str, self._compared()))))

    def config_record(self) -> Any:
        """The compared attributes, by name."""
        names = accumulated(type(self), "compare_attrs")
        return {name: getattr(self, name, None) for name in names}

    def getConfigDict(self) -> dict[str, Any]:
        """The compared attributes that are set and not empty, by name."""
        return {name: value for name, value in self.config_record().items() if value}


def accumulated(cls: type, attribute: str) -> tuple[str, ...]:
    """Names listed by a class attribute anywhere in the hierarchy, base classes first.

    A single string counts as one name.
    """
    names: dict[str, None] = {}
    for base in reversed(cls.__mro__):
        listed = vars(base).get(attribute, ())
        names.update(dict.fromkeys((listed,) if isinstance(listed, str) else listed))
    return tuple(names)


def record_of(obj: Any, walk: Fingerprinter | None = None) -> Any:
    """A hashable value that is equal for objects that were made alike.

    :param walk: one for all objects that are compared together, so that what they share
        (classes, helper functions) is looked at once. Nothing may change meanwhile.
    """
    return (walk or Fingerprinter()).of(obj)


def same(a: Any, b: Any) -> bool:
    """Whether two configured values would behave alike."""
    return bool(record_of(a) == record_of(b))
