"""The language inside ``%(...)s``: selectors, names and suffixes."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred

from ci_common.faults import nearest
from ci_master.builds.renderables import secret_value
from ci_master.builds.rendering import render_now, started, then

__all__ = ["Format", "InvalidFormat"]

#: What a lookup answers when there is nothing of that name.
_MISSING: Any = object()

#: lookup(props, keyword arguments) -> value, _MISSING, or a Deferred of either
Lookup = Callable[[Any, dict[str, Any]], Any]

_IDENTIFIER = re.compile(r"^[\w._-]*$")
_SELECTORS = ("kw", "prop", "secret", "src", "worker")


class InvalidFormat(Exception):
    """A placeholder that cannot be understood: what, and a hint."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.hint = hint


class _Keys:
    """Stands in for the values, to learn from Python's own formatting which keys are used.

    It answers 0, which every conversion accepts.
    """

    def __init__(self) -> None:
        self.found: dict[str, None] = {}

    def __getitem__(self, key: str) -> int:
        self.found[key] = None
        return 0


class Format:
    """A format string with its placeholders understood."""

    def __init__(self, text: str) -> None:
        self.text = text
        keys = _Keys()
        try:
            result = text % keys
        except (TypeError, ValueError, OverflowError) as error:
            hint = "a percent sign that stands for itself is written %%"
            raise InvalidFormat(f"{text!r} is not a format string: {error}", hint) from error
        if not keys.found and repr(keys) in result:
            raise InvalidFormat(
                f"{text!r} has a place without a name", "write %(prop:name)s, or %%"
            )
        self._parts = [(key, _Part(key)) for key in keys.found]
        # without placeholders there is only %% to be replaced
        self._constant = None if self._parts else text % ()

    def render(self, props: Any, kwargs: dict[str, Any]) -> Any:
        """The text, or a Deferred with it."""
        if self._constant is not None:
            return self._constant
        values: dict[str, Any] = {}
        rest = iter(self._parts)
        for key, part in rest:
            value = part.value(props, kwargs)
            if isinstance(value, Deferred):
                return ensureDeferred(self._finish(values, (key, value), rest, props, kwargs))
            values[key] = value
        return self._filled(values)

    async def _finish(
        self,
        values: dict[str, Any],
        first: tuple[str, Deferred[Any]],
        rest: Iterator[tuple[str, "_Part"]],
        *context: Any,
    ) -> str:
        values[first[0]] = await first[1]
        for key, part in rest:
            value = part.value(*context)
            values[key] = await value if isinstance(value, Deferred) else value
        return self._filled(values)

    def _filled(self, values: dict[str, Any]) -> str:
        try:
            return self.text % values
        except (TypeError, ValueError, OverflowError) as error:
            shown = ", ".join(f"{key!r} is {value!r}" for key, value in values.items())
            raise TypeError(
                f"{self.text!r} cannot be filled in: {error} ({shown}); write %(...)s for what"
                " is no number"
            ) from error


class _Part:
    """One placeholder: ``selector:name`` and what follows it."""

    def __init__(self, key: str) -> None:
        selector, colon, rest = key.partition(":")
        if not colon:
            raise InvalidFormat(
                f"placeholder '{key}' has no selector", f"write %(prop:{key})s for a property"
            )
        if selector not in _SELECTORS:
            near = nearest(selector, _SELECTORS)
            known = "selectors are " + ", ".join(_SELECTORS)
            raise InvalidFormat(
                f"placeholder '{key}' has the unknown selector '{selector}'",
                f"did you mean '{near}'?" if near else known,
            )
        self._lookup, suffix = _lookup(selector, rest, key)
        self._choose = _choice(suffix, key)

    def value(self, props: Any, kwargs: dict[str, Any]) -> Any:
        """What stands in the placeholder's stead, or a Deferred with it."""
        return then(self._lookup(props, kwargs), lambda found: self._choose(found, props, kwargs))


def _lookup(selector: str, rest: str, key: str) -> tuple[Lookup, str | None]:
    """How to find the value; and the suffix behind its name, None if there is none."""
    if selector == "src":
        codebase, colon, rest = rest.partition(":")
        if not colon:
            raise InvalidFormat(
                f"placeholder '{key}' names no attribute of the source stamp",
                "write %(src:CODEBASE:branch)s; the codebase may be empty",
            )
        attribute, colon, suffix = rest.partition(":")
        _check_identifier(codebase, "codebase", key)
        _check_identifier(attribute, "attribute", key)
        return _source_lookup(codebase, attribute), suffix if colon else None
    name, colon, suffix = rest.partition(":")
    if selector != "secret":  # a provider may use any characters
        _check_identifier(name, "name", key)
    return _LOOKUPS[selector](name), suffix if colon else None


def _check_identifier(name: str, kind: str, key: str) -> None:
    if not _IDENTIFIER.match(name):
        raise InvalidFormat(
            f"placeholder '{key}': {kind} '{name}' has other characters than"
            " letters, digits, '.', '_' and '-'"
        )


def _property_lookup(name: str) -> Lookup:
    def look(props: Any, kwargs: dict[str, Any]) -> Any:
        if not props.hasProperty(name):
            return _MISSING
        return render_now(props.getProperty(name), props)

    return look


def _keyword_lookup(name: str) -> Lookup:
    def look(props: Any, kwargs: dict[str, Any]) -> Any:
        return render_now(kwargs[name], props) if name in kwargs else _MISSING

    return look


def _worker_lookup(name: str) -> Lookup:
    def look(props: Any, kwargs: dict[str, Any]) -> Any:
        build = props.getBuild()
        told = {} if build is None else build.getWorkerInfo()
        return told.get(name, _MISSING)

    return look


def _secret_lookup(name: str) -> Lookup:
    def look(props: Any, kwargs: dict[str, Any]) -> Any:
        return started(secret_value(name, props))

    return look


def _source_lookup(codebase: str, attribute: str) -> Lookup:
    def look(props: Any, kwargs: dict[str, Any]) -> Any:
        build = props.getBuild()
        stamps = (props.sourcestamps or ()) if build is None else build.getAllSourceStamps()
        for stamp in stamps:
            if isinstance(stamp, dict):
                if stamp.get("codebase", "") == codebase:
                    return stamp.get(attribute, _MISSING)
            elif stamp.codebase == codebase:
                return getattr(stamp, attribute, _MISSING)
        return _MISSING

    return look


_LOOKUPS = {
    "kw": _keyword_lookup,
    "prop": _property_lookup,
    "secret": _secret_lookup,
    "worker": _worker_lookup,
}

#: choice(found, props, keyword arguments) -> value, or a Deferred with it
Choice = Callable[[Any, Any, dict[str, Any]], Any]


def _exists(found: Any) -> bool:
    return found is not _MISSING


def _true(found: Any) -> bool:
    return found is not _MISSING and bool(found)


def _choice(suffix: str | None, key: str) -> Choice:
    """What the suffix makes of the value that was found, or was not."""
    if suffix is None:
        return lambda found, props, kwargs: _shown(found)
    if suffix.startswith("#?"):
        return _ternary(_true, suffix[2:], key)
    kind, rest = suffix[:1], suffix[1:]
    if kind == "?":
        return _ternary(_exists, rest, key)
    if kind == "-":
        return _either(_exists, None, Format(rest))
    if kind == "~":
        return _either(_true, None, Format(rest))
    if kind == "+":
        return _either(_exists, Format(rest), Format(""))
    raise InvalidFormat(
        f"placeholder '{key}': '{kind}' after the name is not understood",
        "known are :-DEFAULT :~DEFAULT :+TEXT :?|YES|NO and :#?|YES|NO",
    )


def _shown(found: Any) -> Any:
    return "" if found is _MISSING or found is None else found


def _either(test: Callable[[Any], bool], yes: Format | None, no: Format) -> Choice:
    def choose(found: Any, props: Any, kwargs: dict[str, Any]) -> Any:
        if not test(found):
            return no.render(props, kwargs)
        return _shown(found) if yes is None else yes.render(props, kwargs)

    return choose


def _ternary(test: Callable[[Any], bool], rest: str, key: str) -> Choice:
    separator, parts = rest[:1], rest[1:]
    if not separator or separator == "(":
        raise InvalidFormat(
            f"placeholder '{key}' names no separator behind the question mark",
            "write the separator, the text for yes, the separator, the text for no: :?|YES|NO",
        )
    depth = 0
    for at, char in enumerate(parts):
        if char == separator and depth == 0:
            return _either(test, Format(parts[:at]), Format(parts[at + 1 :]))
        depth += (char == "(") - (char == ")")
    raise InvalidFormat(
        f"placeholder '{key}': separator '{separator}' is not found between the two texts",
        f"write :?{separator}YES{separator}NO",
    )
