"""Placeholders that a configuration may put wherever a value is expected."""

import operator
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import implementer

from ci_master.builds.interfaces import IRenderable
from ci_master.builds.rendering import is_renderable, render_now, started, then
from ci_master.data.faults import configFault
from ci_master.data.recorded import Recorded

__all__ = [
    "FlattenList",
    "Property",
    "RenderableOperatorsMixin",
    "Secret",
    "Transform",
    "URLForBuild",
    "flatten",
    "properties_of",
    "renderer",
]


def properties_of(source: Any) -> Any:
    """The set of properties of a build or a step; a set of properties itself as it is."""
    get = getattr(source, "getProperties", None)
    return source if get is None else get()


class RenderableOperatorsMixin:
    """Operators that yield placeholders: ``Property("a") + 1`` is worked out in the build."""

    def __eq__(self, other: object) -> Any:
        return Operation("==", operator.eq, self, other)

    def __ne__(self, other: object) -> Any:
        return Operation("!=", operator.ne, self, other)

    # a placeholder is itself, whatever its value will be
    __hash__ = object.__hash__

    def __lt__(self, other: Any) -> Any:
        return Operation("<", operator.lt, self, other)

    def __le__(self, other: Any) -> Any:
        return Operation("<=", operator.le, self, other)

    def __gt__(self, other: Any) -> Any:
        return Operation(">", operator.gt, self, other)

    def __ge__(self, other: Any) -> Any:
        return Operation(">=", operator.ge, self, other)

    def __add__(self, other: Any) -> Any:
        return Operation("+", operator.add, self, other)

    def __radd__(self, other: Any) -> Any:
        return Operation("+", operator.add, other, self)

    def __sub__(self, other: Any) -> Any:
        return Operation("-", operator.sub, self, other)

    def __mul__(self, other: Any) -> Any:
        return Operation("*", operator.mul, self, other)

    def __truediv__(self, other: Any) -> Any:
        return Operation("/", operator.truediv, self, other)

    def __floordiv__(self, other: Any) -> Any:
        return Operation("//", operator.floordiv, self, other)

    def __mod__(self, other: Any) -> Any:
        return Operation("%", operator.mod, self, other)

    def in_(self, container: Any) -> Any:
        """A placeholder: whether the value is in the container."""
        return Operation("in", lambda value, values: value in values, self, container)


@implementer(IRenderable)
class Operation(RenderableOperatorsMixin, Recorded):
    """An operator between two values, at least one of them a placeholder."""

    def __init__(
        self, sign: str, function: Callable[[Any, Any], Any], left: Any, right: Any
    ) -> None:
        self._sign = sign
        self._function = function
        self._operands = (left, right)

    def getRenderingFor(self, iprops: Any) -> Any:
        """The operator's result for the rendered operands."""
        return then(render_now(self._operands, iprops), lambda pair: self._function(*pair))

    def config_record(self) -> Any:
        return self._sign, self._operands

    def __repr__(self) -> str:
        left, right = self._operands
        return f"{left!r} {self._sign} {right!r}"


@implementer(IRenderable)
class Property(RenderableOperatorsMixin, Recorded):
    """The value of a property.

    :param key: the name of the property.
    :type key: string
    :param default: the value in place of a property that is not set; may be a renderable.
    :type default: any
    :param defaultWhenFalse: use the default also in place of values such as 0 and the empty
        string.
    """

    def __init__(self, key: str, default: Any = None, defaultWhenFalse: bool = True) -> None:
        self.key = key
        self.default = default
        self.defaultWhenFalse = defaultWhenFalse

    def getRenderingFor(self, iprops: Any) -> Any:
        """The property's value, or the default's."""
        props = properties_of(iprops)
        if not props.hasProperty(self.key):
            return render_now(self.default, props)
        value = render_now(props.getProperty(self.key), props)
        if self.defaultWhenFalse:
            return then(value, lambda found: found if found else render_now(self.default, props))
        return value

    def __repr__(self) -> str:
        return f"Property({self.key})"


def flatten(nested: Any, types: Any = (list, tuple)) -> list[Any]:
    """One flat list of nested ones; ``types`` says what counts as nested."""
    flat: list[Any] = []
    for item in nested:
        if isinstance(item, types):
            flat.extend(flatten(item, types))
        else:
            flat.append(item)
    return flat


@implementer(IRenderable)
class FlattenList(RenderableOperatorsMixin, Recorded):
    """A list of lists that becomes one list when it is filled in; ``+`` joins such lists.

    :param nestedlist: the list, whose members may be lists.
    :type nestedlist: list or renderable
    :param types: the types of member that are taken for lists.
    :type types: types
    """

    def __init__(self, nestedlist: Any, types: Any = (list, tuple)) -> None:
        self.nestedlist = nestedlist
        self.types = tuple(types) if isinstance(types, list) else types

    def getRenderingFor(self, iprops: Any) -> Any:
        """The flat list."""
        rendered = render_now(self.nestedlist, iprops)
        return then(rendered, lambda nested: flatten(nested, self.types))

    def __add__(self, other: Any) -> "FlattenList":
        return FlattenList([*_items(self), *_items(other)], self.types)

    def __radd__(self, other: Any) -> "FlattenList":
        return FlattenList([*_items(other), *_items(self)], self.types)

    def __repr__(self) -> str:
        return f"FlattenList({self.nestedlist!r})"


def _items(value: Any) -> list[Any]:
    if isinstance(value, FlattenList):
        value = value.nestedlist
    return list(value) if isinstance(value, list | tuple) else [value]


@implementer(IRenderable)
class Transform(Recorded):
    """Calls a function with other renderables' values, and is replaced by what it returns.

    :param function: gets the values of the other arguments, and returns the value.
    :type function: function or renderable
    """

    def __init__(self, function: Any, *args: Any, **kwargs: Any) -> None:
        if not callable(function) and not is_renderable(function):
            configFault(f"Transform needs a function or a placeholder for one, not {function!r}")
        self._function = function
        self._args = args
        self._kwargs = kwargs

    def getRenderingFor(self, iprops: Any) -> Any:
        """What the function returns; it is not rendered again."""
        parts = render_now([self._function, self._args, self._kwargs], iprops)
        return then(parts, lambda ready: started(ready[0](*ready[1], **ready[2])))

    def __repr__(self) -> str:
        return f"Transform({self._function!r})"


@implementer(IRenderable)
class Renderer(Recorded):
    """A function of the properties, made a placeholder by :func:`renderer`."""

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> None:
        if not callable(function):
            configFault(f"renderer needs a function, not {function!r}")
        self._function = function
        self._args = args
        self._kwargs = kwargs or {}

    def withArgs(self, *args: Any, **kwargs: Any) -> "Renderer":
        """A placeholder that also gives these arguments, rendered, to the function."""
        return Renderer(self._function, self._args + args, {**self._kwargs, **kwargs})

    def getRenderingFor(self, iprops: Any) -> Any:
        """What the function returns, rendered again."""
        iprops = properties_of(iprops)

        def call(ready: list[Any]) -> Any:
            args, kwargs = ready
            return then(
                started(self._function(iprops, *args, **kwargs)),
                lambda result: render_now(result, iprops),
            )

        if not self._args and not self._kwargs:
            return call([(), {}])
        return then(render_now([self._args, self._kwargs], iprops), call)

    def __repr__(self) -> str:
        if self._args or self._kwargs:
            return f"renderer({self._function!r}, args={self._args!r}, kwargs={self._kwargs!r})"
        return f"renderer({self._function!r})"


def renderer(fn: Callable[..., Any]) -> Renderer:
    """Make a function of the properties a placeholder. It may return a Deferred or be async.

    :param fn: gets the properties of the build, and returns the value; may be ``async`` or
        return a Deferred.
    :type fn: function
    """
    return Renderer(fn)


@implementer(IRenderable)
class Secret(Recorded):
    """Is replaced by a secret, whose value is masked wherever it would be shown.

    Rendering raises KeyError if no provider knows it.

    :param secret_name: the name of the secret.
    :type secret_name: string
    """

    def __init__(self, secret_name: str) -> None:
        self.secret_name = secret_name

    def getRenderingFor(self, iprops: Any) -> Any:
        """The secret's value."""
        return started(secret_value(self.secret_name, properties_of(iprops)))

    def __repr__(self) -> str:
        return f"Secret({self.secret_name!r})"


async def secret_value(name: str, props: Any) -> str:
    """The value of a secret; from now on it is masked in this build.

    :raises KeyError: if no provider knows it, or there are no providers.
    """
    secrets = props.secrets
    if secrets is None:
        raise KeyError(f"secret '{name}' is wanted, but there are no secretsProviders")
    found = await secrets.get(name)
    if found is None:
        raise KeyError(f"secret '{name}' is not known to any of the secretsProviders")
    props.useSecret(found.value, name)
    value: str = found.value
    return value


def _url_of_build(props: Any) -> Any:
    build = props.getBuild() if hasattr(props, "getBuild") else props.build
    url = build.getUrl()
    return url if not isinstance(url, Deferred) else started(url)


#: The address of the running build.
URLForBuild = Renderer(_url_of_build)
