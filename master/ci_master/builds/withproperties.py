"""The old form of strings with placeholders."""

import re
from collections.abc import Callable
from typing import Any

from zope.interface import implementer

from ci_master.builds.interfaces import IRenderable
from ci_master.builds.renderables import properties_of
from ci_master.data.faults import configFault
from ci_master.data.recorded import Recorded

__all__ = ["WithProperties"]

#: ``:-default``, ``:~default`` or ``:+text`` behind a name in the old form.
_OLD_SUFFIX = re.compile(r"(:[-~+])(.*)", re.DOTALL)


class _OldKeys:
    """The values of a WithProperties with names, looked up as Python's formatting asks."""

    def __init__(self, props: Any, lambdas: dict[str, Any]) -> None:
        self._props = props
        self._lambdas = lambdas

    def __getitem__(self, key: str) -> Any:
        if key in self._lambdas:
            value = self._lambdas[key](self._props.getBuild())
            return "" if value is None else value
        props = self._props
        found = _OLD_SUFFIX.search(key)
        name, mark, text = (key[: found.start()], *found.groups()) if found else (key, "", "")
        if mark == ":+":
            return text if props.hasProperty(name) else ""
        if mark == ":-" and not props.hasProperty(name):
            return text
        if mark == ":~" and not props.getProperty(name):
            return text
        value = props[name]
        return "" if value is None else value


@implementer(IRenderable)
class WithProperties(Recorded):
    """The old form of :class:`~ci_master.builds.interpolate.Interpolate`.

    Positional arguments are names of properties; in the other form, keys of the format string
    are names (``name``, ``name:-default``, ``name:~default``, ``name:+text``), and keyword
    arguments are functions of the build.

    :param fmtstring: the text with the placeholders.
    :type fmtstring: string
    """

    def __init__(self, fmtstring: str, *args: str, **lambda_subs: Callable[[Any], Any]) -> None:
        self.fmtstring = fmtstring
        self.args = args
        self.lambda_subs = lambda_subs
        if args and lambda_subs:
            configFault("WithProperties takes positional or keyword arguments, not both")
        for name, function in lambda_subs.items():
            if not callable(function):
                configFault(f"WithProperties: '{name}' is not a function of the build")

    def getRenderingFor(self, iprops: Any) -> str:
        """The text; KeyError for a property that is not set and has no default."""
        props = properties_of(iprops)
        if not self.args:
            return self.fmtstring % _OldKeys(props, self.lambda_subs)
        values = (props.getProperty(name) for name in self.args)
        return self.fmtstring % tuple("" if value is None else value for value in values)
