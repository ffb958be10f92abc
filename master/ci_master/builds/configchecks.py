"""Checks that the classes of a configuration share. Each reports faults and returns what is
harmless to go on with."""

import json
from importlib.util import find_spec
from typing import Any

from ci_common.faults import nearest
from ci_master.builds.rendering import needs_rendering
from ci_master.data.faults import configFault, here
from ci_master.data.markup import PACKAGES

__all__ = ["Checker", "safeTranslate"]

_UNSAFE = dict.fromkeys(map(ord, "\t !#$%&'()*+,./:;<=>?@[\\]^{|}~"), "_")


def safeTranslate(text: str) -> str:
    """The text with what is awkward in a directory's name replaced by underscores."""
    return text.translate(_UNSAFE)


class Checker:
    """Checks the arguments of one configured thing, and names it in every fault.

    :param subject: for example "builder 'linux'".
    """

    def __init__(self, subject: str) -> None:
        place = here()
        self.where = f"{place}, {subject}" if place else subject

    def fault(self, what: str, hint: str = "") -> None:
        """Report a fault."""
        configFault(what, hint, self.where)

    def unknown(self, given: dict[str, Any], known: list[str]) -> None:
        """Report arguments that do not exist, each with the nearest that does."""
        for name in given:
            near = nearest(name, known)
            hint = f"did you mean '{near}'?" if near else f"known: {', '.join(sorted(known))}"
            self.fault(f"there is no argument '{name}'", hint)

    def text(self, what: str, value: Any) -> str | None:
        """A string or None."""
        if value is None or isinstance(value, str):
            return value
        self.fault(f"{what} is {value!r}, but must be a string")
        return None

    def mapping(self, what: str, value: Any) -> dict[Any, Any]:
        """A dict; nothing stands for an empty one."""
        if isinstance(value, dict):
            return value
        if value:
            self.fault(f"{what} is {value!r}, but must be a dict")
        return {}

    def function(self, what: str, value: Any) -> Any:
        """Something that can be called, or None."""
        if value is None or callable(value):
            return value
        self.fault(f"{what} is {value!r}, but must be a function")
        return None

    def texts(self, what: str, value: Any) -> list[str]:
        """A list of strings; nothing stands for an empty one."""
        if not value:
            return []
        if isinstance(value, str):
            self.fault(f"{what} is one string, but must be a list", f"write [{value!r}]")
            return [value]
        if not isinstance(value, list | tuple):
            self.fault(f"{what} is {value!r}, but must be a list of strings")
            return []
        for item in value:
            if not isinstance(item, str):
                self.fault(f"{what} contains {item!r}, which is not a string")
        return [item for item in value if isinstance(item, str)]

    def storable(self, what: str, value: Any) -> dict[str, Any]:
        """A dict of properties: JSON can store the values, or they are placeholders."""
        properties = {}
        for name, item in self.mapping(what, value).items():
            if not isinstance(name, str):
                self.fault(f"{what}: the name {name!r} is not a string")
                continue
            if not needs_rendering(item):
                try:
                    json.dumps(item)
                except (TypeError, ValueError) as error:
                    self.fault(f"{what}: '{name}' cannot be stored as JSON ({error})")
                    continue
            properties[name] = item
        return properties

    def description_format(self, value: Any) -> str | None:
        """How a description is marked up."""
        if value is None:
            return None
        if value != "markdown":
            self.fault(f"description_format is {value!r}, but must be None or 'markdown'")
            return None
        for package, module in PACKAGES.items():
            if find_spec(module) is None:
                self.fault(
                    f"description_format 'markdown' needs the package {package}, which is missing",
                    "pip install 'ci-framework[markdown]'",
                )
                return None
        return "markdown"
