"""Steps in a configuration are templates: what is made there is a record, and each build makes
its own step from it.

``ShellCommand(command=...)`` in ``master.cfg`` runs the constructor, so that faults are found,
and remembers class, arguments and line. The object takes part in no build. To change it
afterwards would be lost, so that is a fault, too.
"""

from __future__ import annotations

from abc import ABCMeta
from typing import TYPE_CHECKING, Any

from zope.interface import implementer

from ci_master.builds.faults import configFault
from ci_master.builds.interfaces import IBuildStepFactory
from ci_master.builds.recorded import record_of

if TYPE_CHECKING:
    from ci_master.builds.buildstep import BuildStep

__all__ = [
    "StepFactory",
    "StepType",
    "create_step_from_step_or_factory",
    "get_factory_from_step_or_factory",
]


class StepType(ABCMeta):
    """The class of step classes: calling one gives a template.

    A template's class is a hidden subclass that is of the same name and refuses attributes, so
    that the steps of running builds pay nothing for the check.
    """

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        template = super().__call__(*args, **kwargs)
        if type(template) is cls:
            template.__class__ = cls._template_class()
        return template

    def _template_class(cls) -> type:
        known = cls.__dict__.get("_template_class_of_this")
        if known is None:
            body = {
                "__module__": cls.__module__,
                "__qualname__": cls.__qualname__,
                "__doc__": cls.__doc__,
                "__setattr__": _refuse_attribute,
                "_made_as": cls,
            }
            known = ABCMeta.__new__(StepType, cls.__name__, (cls,), body)
            type.__setattr__(cls, "_template_class_of_this", known)
        return known


def _refuse_attribute(self: Any, name: str, value: Any) -> None:
    if name.startswith("__"):
        object.__setattr__(self, name, value)
        return
    configFault(
        f"{type(self).__name__}: attribute '{name}' is set after the step was made, "
        "which no build would notice",
        hint=f"give it as an argument, or call step.set_step_arg({name!r}, ...)",
    )


@implementer(IBuildStepFactory)
class StepFactory:
    """Makes a fresh step for each build from the record of a template."""

    __slots__ = ("args", "kwargs", "step_class", "where")

    def __init__(
        self,
        step_class: type[BuildStep],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        where: str = "",
    ) -> None:
        self.step_class = step_class
        self.args = args
        self.kwargs = kwargs
        self.where = where

    def buildStep(self) -> BuildStep:
        """A new step for one build.

        :raises Exception: whatever the constructor of the step's class raises.
        """
        step: BuildStep = object.__new__(self.step_class)
        step.__init__(*self.args, **self.kwargs)  # type: ignore[misc]  # as a class call would
        return step

    def config_record(self) -> Any:
        """Class and arguments."""
        return self.step_class, self.args, self.kwargs

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, StepFactory):
            return NotImplemented
        return bool(record_of(self) == record_of(other))

    def __hash__(self) -> int:
        return hash(self.step_class)

    def __repr__(self) -> str:
        return f"<StepFactory of {self.step_class.__name__} {self.where}>"


def get_factory_from_step_or_factory(step_or_factory: Any) -> Any:
    """The factory of a template; anything that has a ``buildStep`` is one already.

    :raises TypeError: for what is neither.
    """
    if hasattr(step_or_factory, "get_step_factory"):
        return step_or_factory.get_step_factory()
    if IBuildStepFactory.providedBy(step_or_factory) or hasattr(step_or_factory, "buildStep"):
        return step_or_factory
    raise TypeError(f"{step_or_factory!r} is not a build step")


def create_step_from_step_or_factory(step_or_factory: Any) -> Any:
    """A step for one build from a template or its factory."""
    return get_factory_from_step_or_factory(step_or_factory).buildStep()
