"""The base of the fields of a form by which people force builds.

Posted values are lists keyed by the field's full name: the names of the groups around it and
its own, joined by ``_``. Empty strings count as not given.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ci_common.faults import nearest
from ci_master.data.arguments import Json, Kind, shown
from ci_master.data.faults import configFault
from ci_master.data.recorded import Recorded, accumulated
from ci_master.schedulers.errors import ValidationError, ValidationErrorCollector

__all__ = ["BaseParameter"]

#: Names that the form uses itself.
RESERVED = ("owner", "builderNames", "builderid")
#: So many values are taken by a field with ``multiple``.
_MOST_VALUES = 1000


class BaseParameter(Recorded):
    """A field.

    :param name: the name under which the value is posted, and the name of the property that it
        sets.
    :type name: string
    :param label: the text beside the field; default: the name.
    :type label: string
    :param tablabel: the text on its tab in a group with ``layout="tabs"``; default: the label.
    :type tablabel: string
    :param default: the value of the field before somebody changes it.
    :type default: any
    :param required: refuse the form if the field is empty.
    :type required: True or False
    :param multiple: let the field have a list of values.
    :type multiple: True or False
    :param regex: regular expression that the value has to match from its start.
    :type regex: string or None
    :param maxsize: largest number of characters that the value may have.
    :type maxsize: whole number or None
    :param hide: leave the field out of the page; its default is used.
    :type hide: True or False
    :param tooltip: a longer explanation of the field.
    :type tooltip: string
    :param autopopulate: values that are put into other fields when this one is changed, by the
        value chosen.
    :type autopopulate: dictionary or None
    """

    #: Names of attributes that :meth:`getSpec` tells; those of all base classes count together.
    spec_attributes: ClassVar[Sequence[str]] = (
        "name",
        "fullName",
        "label",
        "tablabel",
        "type",
        "default",
        "required",
        "multiple",
        "regex",
        "hide",
        "maxsize",
        "autopopulate",
        "tooltip",
    )
    #: What one value must be, as it is posted; subclasses know better.
    kind: ClassVar[Kind] = Json()
    name = ""
    parentName: str | None = None
    label = ""
    tablabel = ""
    type = ""
    default: Any = ""
    required = False
    multiple = False
    regex: Any = None
    debug = True
    hide = False
    maxsize: int | None = None
    autopopulate: Any = None
    tooltip = ""

    def __init__(
        self,
        name: str,
        label: str | None = None,
        tablabel: str | None = None,
        regex: str | re.Pattern[str] | None = None,
        **kw: Any,
    ) -> None:
        if not isinstance(name, str):
            configFault(f"the name of a form's field must be a string, not {name!r}")
            name = str(name)
        if name in RESERVED:
            configFault(f"a form's field cannot be named '{name}': the form uses this name itself")
        if "value" in kw:
            value = kw.pop("value")
            configFault(
                f"field '{name}': 'value' is not known",
                f"write default={value!r} to give the value that the form begins with",
            )
        self.name = name
        self.label = name if label is None else label
        self.tablabel = self.label if tablabel is None else tablabel
        if regex is not None:
            try:
                self.regex = re.compile(regex)
            except (re.error, TypeError) as error:
                configFault(f"field '{name}': {regex!r} is no regular expression: {error}")
        for attribute, value in kw.items():
            self._check_known(attribute)
            setattr(self, attribute, value)

    def _check_known(self, attribute: str) -> None:
        """Report what is surely a slip of the pen; subclasses may know more than we do."""
        if hasattr(type(self), attribute):
            return
        near = nearest(attribute, accumulated(type(self), "spec_attributes"))
        if near is not None:
            configFault(
                f"field '{self.name}': {type(self).__name__} does not know '{attribute}'",
                f"did you mean '{near}'?",
            )

    @property
    def fullName(self) -> str | None:
        """Under which it is posted; None for a group without a name."""
        return "_".join(part for part in (self.parentName, self.name) if part) or None

    def setParent(self, parent: "BaseParameter | None") -> None:
        """Tell in which group it is."""
        self.parentName = parent.fullName if parent is not None else None

    def getSpec(self) -> dict[str, Any]:
        """The field as plain data, for the form and for REST."""
        spec = {name: getattr(self, name) for name in accumulated(type(self), "spec_attributes")}
        regex = spec.get("regex")
        spec["regex"] = regex.pattern if isinstance(regex, re.Pattern) else regex
        return spec

    def getFromKwargs(self, kwargs: Mapping[str, list[Any]]) -> Any:
        """The value from what was posted.

        :raises ValidationError: if it cannot be taken.
        """
        given = [value for value in kwargs.get(self.fullName or "", ()) if not _is_empty(value)]
        if not given:
            if self.required:
                raise ValidationError(f"'{self.label}' needs to be specified")
            return self._from_default()
        if len(given) > _MOST_VALUES:
            raise ValidationError(f"{self.label}: {len(given):,} values; {_MOST_VALUES:,} at most")
        for value in given:
            self._check_value(value)
        value = self.parse_from_args(given)
        if value is None:
            raise ValidationError(f"need {self.fullName}: no default provided by config")
        return value

    def _check_value(self, value: Any) -> None:
        if self.maxsize is not None and hasattr(value, "__len__") and len(value) > self.maxsize:
            raise ValidationError(f"{self.label}: is too large {len(value)} > {self.maxsize}")
        try:
            self.kind.check(value)
        except ValueError as error:
            raise ValidationError(f"{self.label}: {error}") from None
        if self.regex is not None and not self.regex.match(str(value)):
            raise ValidationError(
                f"{self.label}:{_quoted(value)} does not match pattern '{self.regex.pattern}'"
            )

    def _from_default(self) -> Any:
        default = self.default
        if self.multiple:
            if isinstance(default, list | tuple):
                return list(default)
            return [] if _is_empty(default) else [default]
        return default

    def parse_from_args(self, l: list[Any]) -> Any:  # noqa: E741  # users' overrides name it so
        """The value from the values posted, of which there is at least one."""
        if self.multiple:
            return [self.parse_from_arg(value) for value in l]
        return self.parse_from_arg(l[0])

    def parse_from_arg(self, s: Any) -> Any:
        """One value from what was posted."""
        return s

    async def updateFromKwargs(
        self,
        properties: dict[str, Any],
        kwargs: Mapping[str, list[Any]],
        collector: ValidationErrorCollector,
        **unused: Any,
    ) -> None:
        """Put the value under the field's name into ``properties``."""
        properties[self.name] = self.getFromKwargs(kwargs)


def _quoted(value: Any) -> str:
    text = str(value)
    return f"'{text}'" if len(text) <= 200 else shown(text)


def _is_empty(value: Any) -> bool:
    return value is None or value == "" or value == b""
