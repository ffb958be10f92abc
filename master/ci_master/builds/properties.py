"""The properties of a build, and what gives them values."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Self

from twisted.internet.defer import Deferred, ensureDeferred
from zope.interface import implementer

from ci_master.builds.interfaces import IProperties, RenderingBuild
from ci_master.builds.interpolate import Interpolate, WithProperties
from ci_master.builds.renderables import (
    FlattenList,
    Property,
    RenderableOperatorsMixin,
    Secret,
    Transform,
    URLForBuild,
    flatten,
    properties_of,
    renderer,
)
from ci_master.builds.rendering import needs_rendering, render, render_now
from ci_master.secrets.redaction import Redactor

__all__ = [
    "FlattenList",
    "Interpolate",
    "Properties",
    "PropertiesMixin",
    "Property",
    "RenderableOperatorsMixin",
    "Secret",
    "Transform",
    "URLForBuild",
    "WithProperties",
    "flatten",
    "needs_rendering",
    "properties_of",
    "render",
    "render_now",
    "renderer",
]

_SCALARS = frozenset({str, int, float, bool, type(None)})
_NAME_LIMIT = 256  # width of the column that stores it


@implementer(IProperties)
class Properties:
    """Named values, each with the source that set it.

    :ivar build: the build they belong to, if any.
    :ivar sourcestamps: dicts of the source stamps, for rendering before there is a build.
    :ivar changes: the changes of the source stamps.
    :ivar files: the files of those changes.
    :ivar secrets: where ``Secret`` asks: has ``async get(name)``.
    :ivar redactor: masks the secrets used so far.
    """

    def __init__(self, **kwargs: Any) -> None:
        self._values: dict[str, tuple[Any, str | None]] = {}
        self._runtime: set[str] = set()
        self.build: RenderingBuild | None = None
        self.master: Any = None
        self.sourcestamps: list[Any] | None = None
        self.changes: list[Any] | None = None
        self.files: list[str] | None = None
        self.secrets: Any = None
        self.redactor = Redactor()
        self.update(kwargs, "TEST")

    @classmethod
    def fromDict(cls, propDict: Mapping[str, tuple[Any, str | None]]) -> Self:
        """From name -> (value, source)."""
        self = cls()
        for name, (value, source) in propDict.items():
            self.setProperty(name, value, source)
        return self

    def __getitem__(self, name: str) -> Any:
        return self._values[name][0]

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __bool__(self) -> bool:
        return bool(self._values)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Properties):
            return NotImplemented
        return self._values == other._values

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        values = {name: value for name, (value, _) in sorted(self._values.items())}
        return f"Properties(**{values!r})"

    def getProperty(self, name: str, default: Any = None) -> Any:
        """The value of a property, or ``default`` if it is not set."""
        entry = self._values.get(name)
        return default if entry is None else entry[0]

    def hasProperty(self, name: str) -> bool:
        """Whether the property is set, be it to None."""
        return name in self._values

    has_key = hasProperty

    def getPropertySource(self, name: str) -> str | None:
        """Who set the property; KeyError if nobody did."""
        return self._values[name][1]

    def setProperty(
        self, name: str | bytes, value: Any, source: str | None, runtime: bool = False
    ) -> None:
        """Set a property.

        :param value: what JSON can store; or a placeholder, to be rendered when it is read by
            one.
        :param source: who sets it.
        :param runtime: it was found out by the running build: rebuilds and triggered builds do
            not get it.
        :raises TypeError: if the value cannot be stored.
        """
        name = _checked_name(name)
        if type(value) not in _SCALARS:
            _check_storable(name, value)
        self._values[name] = (value, source)
        if runtime:
            self._runtime.add(name)

    def update(self, dict: Mapping[str, Any], source: str | None, runtime: bool = False) -> None:
        """Set several from name -> value."""
        for name, value in dict.items():
            self.setProperty(name, value, source, runtime)

    def updateFromProperties(self, other: "Properties") -> None:
        """Take over all of another set, with their sources."""
        self._values.update(other._values)
        self._runtime.update(other._runtime)

    def updateFromPropertiesNoRuntime(self, other: "Properties") -> None:
        """Take over what others than the running build set."""
        for name, entry in other._values.items():
            if name not in other._runtime:
                self._values[name] = entry

    def asList(self) -> list[tuple[str, Any, str | None]]:
        """(name, value, source), by name."""
        return sorted((name, *entry) for name, entry in self._values.items())

    def asDict(self) -> dict[str, tuple[Any, str | None]]:
        """name -> (value, source); a copy."""
        return dict(self._values)

    def getProperties(self) -> Self:
        """Itself: so that builds, steps and their properties can be asked alike."""
        return self

    def getBuild(self) -> Any:
        """The build they belong to, or None."""
        return self.build

    def render(self, value: Any) -> Deferred[Any]:
        """The value with all placeholders filled in."""
        return ensureDeferred(render(value, self))

    def useSecret(self, secret_value: str, secret_name: str) -> None:
        """Mask this value from now on as ``<secret_name>``."""
        self.redactor.add(secret_name, secret_value)

    def cleanupTextFromSecrets(self, text: str) -> str:
        """The text with used secrets masked."""
        return self.redactor.redact(text)


class PropertiesMixin:
    """The methods of IProperties for what has a set of properties: builds and steps.

    The class that uses it overrides ``getProperties``.
    """

    #: Whether what is set through this object counts as found out by the running build.
    set_runtime_properties = False

    def getProperties(self) -> Properties:
        """The set of properties itself."""
        raise NotImplementedError

    def getProperty(self, propname: str, default: Any = None) -> Any:
        """The value of a property, or ``default`` if it is not set."""
        return self.getProperties().getProperty(propname, default)

    def hasProperty(self, propname: str) -> bool:
        """Whether the property is set."""
        return self.getProperties().hasProperty(propname)

    has_key = hasProperty

    def setProperty(
        self, propname: str, value: Any, source: str = "Unknown", runtime: bool | None = None
    ) -> None:
        """Set a property; ``runtime`` None: as is usual for this object."""
        runtime = self.set_runtime_properties if runtime is None else runtime
        self.getProperties().setProperty(propname, value, source, runtime)

    def render(self, value: Any) -> Deferred[Any]:
        """The value with all placeholders filled in."""
        return self.getProperties().render(value)


def _checked_name(name: str | bytes) -> str:
    if isinstance(name, bytes):
        name = name.decode("utf-8")
    if not isinstance(name, str):
        raise TypeError(f"a property's name is a string, not {name!r}")
    if len(name) > _NAME_LIMIT:
        raise ValueError(f"property name '{name[:40]}...' has more than {_NAME_LIMIT} characters")
    return name


def _check_storable(name: str, value: Any) -> None:
    if needs_rendering(value):
        return
    try:
        json.dumps(value)
    except (TypeError, ValueError) as error:
        shown = repr(value)
        shown = shown if len(shown) <= 100 else shown[:97] + "..."
        raise TypeError(f"property '{name}' cannot be stored as JSON: {shown} ({error})") from error
