"""Interfaces that users' own classes may declare, and what rendering asks of a build."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from zope.interface import Interface

__all__ = [
    "IBuildStep",
    "IBuildStepFactory",
    "IConfigured",
    "IProperties",
    "IRenderable",
    "RenderingBuild",
]


class IRenderable(Interface):
    """A placeholder in a configuration; its value is found when a build needs it."""

    def getRenderingFor(iprops: Any) -> Any:
        """The value for these properties: plain, a Deferred or a coroutine."""


class IProperties(Interface):
    """What has properties: a build, a step, a set of properties."""

    def getProperty(propname: str, default: Any = None) -> Any:
        """The value of a property, or ``default``."""

    def hasProperty(propname: str) -> bool:
        """Whether the property is set."""

    def has_key(propname: str) -> bool:
        """The same as ``hasProperty``."""

    def setProperty(propname: str, value: Any, source: str, runtime: Any = None) -> None:
        """Set a property."""

    def getProperties() -> Any:
        """The set of properties itself."""

    def getBuild() -> Any:
        """The build they belong to, or None."""

    def render(value: Any) -> Any:
        """A Deferred with the value, all placeholders filled in."""


class IBuildStep(Interface):
    """One step of a build."""


class IBuildStepFactory(Interface):
    """A recorded step; makes a fresh one for each build."""

    def buildStep() -> Any:
        """A new step."""


class IConfigured(Interface):
    """What can tell how it was configured."""

    def getConfigDict() -> dict[str, Any]:
        """Its settings, for display."""


class RenderingBuild(Protocol):
    """What renderables need of a build."""

    def getUrl(self) -> str:
        """Where people see the build."""

    def getAllSourceStamps(self) -> Sequence[Any]:
        """Its source stamps, with attributes codebase, branch, revision, repository, project."""

    def getWorkerInfo(self) -> Mapping[str, Any]:
        """What the worker told about itself: admin, host, version..., by name."""
