"""Groups of fields of a force form."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ci_master.data.arguments import Kind, Text
from ci_master.data.faults import configFault
from ci_master.schedulers.errors import ValidationError, ValidationErrorCollector
from ci_master.schedulers.parameters import (
    BaseParameter,
    FileParameter,
    FixedParameter,
    IntParameter,
    StringParameter,
)

__all__ = [
    "CodebaseParameter",
    "NestedParameter",
    "ParameterGroup",
    "PatchParameter",
    "oneCodebase",
]

_LAYOUTS = ("vertical", "simple", "tabs")
_MOST_COLUMNS = 4

#: What a source stamp holds; longer ones could not be stored.
_ROLES: Mapping[str, Kind] = {
    "branch": Text(255),
    "project": Text(512),
    "repository": Text(512),
    "revision": Text(255),
}

#: The default of a codebase's fields: None would leave the field out.
DefaultField: Any = object()


class NestedParameter(BaseParameter):
    """A group of fields. With a name, its value is a dict; without, its fields stand alone.

    :param fields: the fields of the group.
    :type fields: list of fields
    :param layout: how the fields are set: ``vertical``, ``simple`` or ``tabs``.
    :type layout: string
    :param columns: number of columns, 1 to 4; None sets 2 for four or more visible fields and 1
        otherwise.
    :type columns: whole number or None
    """

    spec_attributes: ClassVar[Sequence[str]] = ("layout", "columns")
    type = "nested"
    layout = "vertical"
    columns: int | None = None
    fields: Sequence[BaseParameter] = ()

    def __init__(self, name: str, fields: Sequence[BaseParameter], **kwargs: Any) -> None:
        super().__init__(name, fields=fields, **kwargs)
        self.fields = [field for field in fields if isinstance(field, BaseParameter)]
        if len(self.fields) != len(fields):
            configFault(f"group '{name}': 'fields' holds something that is no field")
        if self.layout is not None and self.layout not in _LAYOUTS:
            configFault(
                f"group '{name}': there is no layout {self.layout!r}",
                f"known layouts: {', '.join(_LAYOUTS)}",
            )
        if self.columns is None:
            visible = sum(not field.hide for field in self.fields)
            self.columns = 2 if visible >= 4 else 1
        if self.columns > _MOST_COLUMNS:
            configFault(f"group '{name}': columns is {self.columns}, but 4 is the most")
        self.setParent(None)

    def setParent(self, parent: BaseParameter | None) -> None:
        """Tell in which group it is, and its fields with it."""
        super().setParent(parent)
        for field in self.fields:
            field.setParent(self)

    def getSpec(self) -> dict[str, Any]:
        """The group with its fields as plain data."""
        return {**super().getSpec(), "fields": [field.getSpec() for field in self.fields]}

    async def collectChildProperties(
        self,
        kwargs: Mapping[str, list[Any]],
        properties: dict[str, Any],
        collector: ValidationErrorCollector,
        **kw: Any,
    ) -> dict[str, Any]:
        """The values of its fields by name."""
        values: dict[str, Any] = {}
        for field in self.fields:
            await collector.collectValidationErrors(
                field.fullName,
                field.updateFromKwargs,
                kwargs=kwargs,
                properties=values,
                collector=collector,
                **kw,
            )
        return values

    async def updateFromKwargs(
        self,
        properties: dict[str, Any],
        kwargs: Mapping[str, list[Any]],
        collector: ValidationErrorCollector,
        **kw: Any,
    ) -> None:
        """Put the values of its fields into ``properties``."""
        values = await self.collectChildProperties(
            kwargs=kwargs, properties=properties, collector=collector, **kw
        )
        if self.name:
            known = properties.get(self.name)
            properties[self.name] = {**known, **values} if isinstance(known, dict) else values
        else:
            properties.update(values)


ParameterGroup = NestedParameter


class _PatchBody(FileParameter):
    """The patch itself: bytes, as sources need not be UTF-8."""

    def parse_from_arg(self, s: Any) -> Any:
        return s


class PatchParameter(NestedParameter):
    """A group of fields for a patch that is applied to the sources.

    Each of body, level, author, comment and subdir may be another field instead.
    """

    columns = 1

    def __init__(self, **kwargs: Any) -> None:
        name = kwargs.pop("name", "patch")
        defaults: list[BaseParameter] = [
            _PatchBody("body"),
            IntParameter("level", default=1, least=0, most=1000),
            StringParameter("author", default=""),
            StringParameter("comment", default=""),
            StringParameter("subdir", default="."),
        ]
        fields = [kwargs.pop(default.name, default) for default in defaults]
        super().__init__(name, fields=fields, **kwargs)


class CodebaseParameter(NestedParameter):
    """A group of fields for branch, revision, repository and project of one codebase.

    :param codebase: the name of the codebase.
    :type codebase: string
    :param branch: the field for the branch; a string is a fixed value that nobody can change,
        None leaves it empty.
    :type branch: field, string or None
    :param revision: the field for the revision; a string is a fixed value that nobody can
        change, None leaves it empty.
    :type revision: field, string or None
    :param repository: the field for the repository; a string is a fixed value that nobody can
        change, None leaves it empty.
    :type repository: field, string or None
    :param project: the field for the project; a string is a fixed value that nobody can change,
        None leaves it empty.
    :type project: field, string or None
    :param patch: the fields for a patch; None asks for none.
    :type patch: util.PatchParameter or None
    """

    codebase = ""

    def __init__(
        self,
        codebase: str,
        name: str | None = None,
        label: str | None = None,
        branch: Any = DefaultField,
        revision: Any = DefaultField,
        repository: Any = DefaultField,
        project: Any = DefaultField,
        patch: PatchParameter | None = None,
        **kwargs: Any,
    ) -> None:
        if not isinstance(codebase, str):
            configFault(f"the codebase of a CodebaseParameter must be a string, not {codebase!r}")
            codebase = str(codebase)
        self.codebase = codebase
        name = codebase if name is None else name
        if label is None:
            label = f"Codebase: {codebase}" if codebase else ""
        #: (key of the source stamp, field) for each field.
        self._roles: list[tuple[str, BaseParameter]] = []
        asked = {
            "branch": branch,
            "project": project,
            "repository": repository,
            "revision": revision,
        }
        for role, given in asked.items():
            field = self._field(role, given)
            if field is not None:
                self._roles.append((role, field))
        if patch is not None and not isinstance(patch, PatchParameter):
            configFault(f"codebase '{codebase}': 'patch' must be a PatchParameter, not {patch!r}")
            patch = None
        self._patch = patch
        fields = [field for _, field in self._roles] + ([patch] if patch is not None else [])
        super().__init__(name, fields=fields, label=label, **kwargs)

    def _field(self, role: str, given: Any) -> BaseParameter | None:
        if given is DefaultField:
            return StringParameter(role, label=f"{role.capitalize()}:")
        if given is None or isinstance(given, BaseParameter):
            return given
        if isinstance(given, str):
            return FixedParameter(role, default=given)
        configFault(
            f"codebase '{self.codebase}': '{role}' must be a field, a string or None, not {given!r}"
        )
        return None

    async def createSourcestamp(
        self, properties: Mapping[str, Any], kwargs: Mapping[str, list[Any]]
    ) -> dict[str, Any]:
        """What else the source stamp holds: for subclasses."""
        return {}

    async def updateFromKwargs(
        self,
        properties: dict[str, Any],
        kwargs: Mapping[str, list[Any]],
        collector: ValidationErrorCollector,
        *,
        sourcestamps: dict[str, Any] | None = None,
        **kw: Any,
    ) -> None:
        """Put the codebase's source stamp into ``sourcestamps``."""
        values = await self.collectChildProperties(
            kwargs=kwargs, properties=properties, collector=collector, **kw
        )
        stamp = {role: values[field.name] for role, field in self._roles if field.name in values}
        stamp.update(await self.createSourcestamp(properties, kwargs))
        names = {role: field.fullName or role for role, field in self._roles}
        for role, kind in _ROLES.items():
            await collector.collectValidationErrors(
                names.get(role, role), _check_role, kind, stamp.get(role)
            )
        patch = values.get(self._patch.name) if self._patch is not None else None
        if patch and patch.get("body"):
            stamp["patch"] = patch
        if sourcestamps is not None:
            sourcestamps[self.codebase] = stamp


def _check_role(kind: Kind, value: Any) -> None:
    if value is None:
        return
    try:
        kind.check(value)
    except ValueError as error:
        raise ValidationError(str(error)) from None


def oneCodebase(**kw: Any) -> list[CodebaseParameter]:
    """The codebases of a form for a configuration that names no codebases."""
    return [CodebaseParameter("", **kw)]
