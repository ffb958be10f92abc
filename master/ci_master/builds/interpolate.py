"""Strings with ``%(...)s`` placeholders."""

from typing import Any

from zope.interface import implementer

from ci_master.builds.formats import Format, InvalidFormat
from ci_master.builds.interfaces import IRenderable
from ci_master.builds.renderables import RenderableOperatorsMixin, properties_of
from ci_master.builds.rendering import render_now, then
from ci_master.builds.withproperties import WithProperties
from ci_master.data.faults import configFault
from ci_master.data.recorded import Recorded

__all__ = ["Interpolate", "WithProperties"]


@implementer(IRenderable)
class Interpolate(RenderableOperatorsMixin, Recorded):
    """A format string, filled in from properties, source stamps, worker, secrets and arguments.

    Either with positional arguments, which may be placeholders, as in ``Interpolate("%s",
    Property("a"))``; or with keys such as ``%(prop:a)s``, ``%(src:CODEBASE:branch)s``,
    ``%(worker:host)s``, ``%(secret:name)s`` and ``%(kw:x)s`` for keyword arguments. A key may
    end in ``:-DEFAULT``, ``:~DEFAULT``, ``:+TEXT``, ``:?|YES|NO`` or ``:#?|YES|NO``.

    :param fmtstring: the text with the placeholders.
    :type fmtstring: string
    """

    def __init__(self, fmtstring: str, *args: Any, **kwargs: Any) -> None:
        self.fmtstring = fmtstring
        self.args = args
        self.kwargs = kwargs
        self._format: Format | None = None
        if not isinstance(fmtstring, str):
            configFault(f"Interpolate needs a string, not {fmtstring!r}")
        elif args and kwargs:
            configFault("Interpolate takes positional or keyword arguments, not both")
        elif not args:
            try:
                self._format = Format(fmtstring)
            except InvalidFormat as fault:
                configFault(f"Interpolate: {fault}", fault.hint)

    def getRenderingFor(self, iprops: Any) -> Any:
        """The text."""
        props = properties_of(iprops)
        if self._format is not None:
            return self._format.render(props, self.kwargs)
        return then(render_now(self.args, props), lambda args: self.fmtstring % args)

    def __repr__(self) -> str:
        if self.args:
            return f"Interpolate({self.fmtstring!r}, *{self.args!r})"
        if self.kwargs:
            return f"Interpolate({self.fmtstring!r}, **{self.kwargs!r})"
        return f"Interpolate({self.fmtstring!r})"
