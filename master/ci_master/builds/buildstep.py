"""The base class of all steps."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, ClassVar

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from ci_common.aio import to_deferred
from ci_master.builds.checks import argument_names, check_param_length
from ci_master.builds.commandmixin import CommandMixin
from ci_master.builds.errors import (
    BuildStepCancelled,
    BuildStepFailed,
    CallableAttributeError,
    WorkerSetupError,
)
from ci_master.builds.faults import configFault
from ci_master.builds.interfaces import IBuildStep
from ci_master.builds.lifecycle import refresh_summary, run_step
from ci_master.builds.locks import Claim, access_of
from ci_master.builds.log import Log
from ci_master.builds.properties import Properties, PropertiesMixin
from ci_master.builds.recorded import Recorded, same
from ci_master.builds.rendering import is_renderable
from ci_master.builds.shellmixin import ShellMixin
from ci_master.builds.statistics import StatisticsMixin
from ci_master.builds.stepcommands import StepCommandsMixin
from ci_master.builds.steplogs import StepLogsMixin
from ci_master.builds.summaries import SummaryMixin
from ci_master.builds.template import (
    StepFactory,
    StepType,
    create_step_from_step_or_factory,
    get_factory_from_step_or_factory,
)
from ci_master.builds.testresults import TestResultsMixin
from ci_master.builds.workerfeatures import WorkerFeaturesMixin

if TYPE_CHECKING:
    from ci_master.builds.build import Build

__all__ = [
    "BuildStep",
    "BuildStepCancelled",
    "BuildStepFailed",
    "CallableAttributeError",
    "CommandMixin",
    "ShellMixin",
    "WorkerSetupError",
    "create_step_from_step_or_factory",
    "get_factory_from_step_or_factory",
]

#: characters: the width of the column that stores it
NAME_LIMIT = 50


@implementer(IBuildStep)
class BuildStep(
    SummaryMixin,
    StepLogsMixin,
    StepCommandsMixin,
    StatisticsMixin,
    TestResultsMixin,
    WorkerFeaturesMixin,
    PropertiesMixin,
    Recorded,
    metaclass=StepType,
):
    """One step of a build. A subclass overrides ``run``, which returns a result code.

    The object in the configuration is a template: each build gets an object of its own, on
    which the attributes named in ``renderables`` are filled in before ``run`` is called.

    :ivar build: the build, from ``setBuild`` on.
    :ivar worker: the worker, as seen by steps (:class:`ci_master.builds.workerview.WorkerView`).
    :ivar stepid: id in storage; ``number``: place in the build, from 0.
    :ivar cmd: the remote command that runs just now, or None.
    """

    #: names of arguments, which are attributes as well
    parms: ClassVar[Sequence[str]] = (
        "alwaysRun",
        "description",
        "descriptionDone",
        "descriptionSuffix",
        "doStepIf",
        "flunkOnFailure",
        "flunkOnWarnings",
        "haltOnFailure",
        "hideStepIf",
        "locks",
        "logEncoding",
        "name",
        "progressMetrics",
        "updateBuildSummaryPolicy",
        "useProgress",
        "warnOnFailure",
        "warnOnWarnings",
        "workdir",
    )
    #: attributes that are rendered before the run; those of all base classes count too
    renderables: Any = (
        "alwaysRun",
        "description",
        "descriptionDone",
        "descriptionSuffix",
        "doStepIf",
        "flunkOnFailure",
        "flunkOnWarnings",
        "haltOnFailure",
        "hideStepIf",
        "warnOnFailure",
        "warnOnWarnings",
        "workdir",
    )
    set_runtime_properties = True

    haltOnFailure = False
    flunkOnWarnings = False
    flunkOnFailure = True
    warnOnWarnings = False
    warnOnFailure = False
    alwaysRun = False
    name: Any = "generic"
    description: Any = None
    descriptionDone: Any = None
    descriptionSuffix: Any = None
    doStepIf: Any = True
    hideStepIf: Any = False
    locks: Any = ()
    logEncoding: str | None = None
    progressMetrics: Any = ()
    useProgress = True
    _workdir: Any = None

    build: Build
    worker: Any = None
    master: Any = None
    row: Any = None
    stepid: int | None = None
    number: int | None = None
    rendered = False
    _claims: list[Claim] | None = None
    _summary_call: Any = None
    _build_text: str | None = None

    def __init__(self, **kwargs: Any) -> None:
        self.logs: dict[str, Log] = {}
        known = self.parms
        unknown = [name for name in kwargs if name not in known]
        if unknown:
            self._unknown_arguments(unknown)
        for name, value in kwargs.items():
            if name in known:
                setattr(self, name, value)
        if self.name is None:
            self.name = type(self).__name__
        elif type(self.name) is str and len(self.name) > NAME_LIMIT:
            check_param_length(self.name, f"{type(self).__name__} name", NAME_LIMIT)
        if self.locks:
            self._check_locks()
        for attribute in ("description", "descriptionDone", "descriptionSuffix"):
            value = getattr(self, attribute)
            if type(value) is str:
                setattr(self, attribute, [value])

    def _unknown_arguments(self, unknown: list[str]) -> None:
        known = sorted({*self.parms, *argument_names(type(self))})
        near = [
            f"did you mean {match[0]!r} in place of {name!r}?"
            for name in unknown
            if (match := get_close_matches(name, known, n=1))
        ]
        configFault(
            f"{type(self).__name__}.__init__ got unexpected keyword argument(s) {unknown}",
            hint=" ".join(near) or f"known arguments: {', '.join(known)}",
        )

    def _check_locks(self) -> None:
        if is_renderable(self.locks):
            return
        try:
            for lock in self.locks:
                if not is_renderable(lock):
                    access_of(lock)
        except TypeError:
            name, locks, self.locks = type(self).__name__, self.locks, ()
            configFault(
                f"{name} argument locks is {locks!r}, but must be a list of locks",
                "write locks=[lock.access('counting')]",
            )

    # -- as a template

    def get_step_factory(self) -> StepFactory:
        """What makes this template's step for each build."""
        return StepFactory(
            getattr(type(self), "_made_as", type(self)),
            self.recorded_args,
            self.recorded_kwargs,
            self.config_where,
        )

    def set_step_arg(self, name: str, value: Any) -> None:
        """Change an argument of a template, as if it had been made with this one."""
        self.__dict__["recorded_kwargs"] = {**self.recorded_kwargs, name: value}

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        made_as = getattr(type(self), "_made_as", None)
        if made_as is None or made_as is not getattr(type(other), "_made_as", None):
            return False  # steps of running builds are themselves only
        return same(self, other)

    def __hash__(self) -> int:
        return hash(getattr(type(self), "_made_as", None) or id(self))

    # -- as a step of a build

    def setBuild(self, build: Build) -> None:
        """Called before everything else with the build that the step is part of."""
        self.build = build
        self.master = build.master
        self.worker = build.worker

    @property
    def workdir(self) -> Any:
        """Directory on the worker: the step's own, or else the build's."""
        if self._workdir is not None or getattr(self, "build", None) is None:
            return self._workdir
        return self.build.workdir_for_steps()

    @workdir.setter
    def workdir(self, workdir: Any) -> None:
        self._workdir = workdir

    def getProperties(self) -> Properties:
        """The properties of the build."""
        return self.build.getProperties()

    def getBuild(self) -> Build:
        """The build."""
        return self.build

    def setProperty(
        self, propname: str, value: Any, source: str = "Unknown", runtime: bool | None = None
    ) -> None:
        """Set a property of the build, by default as one that the running build found out."""
        self.build.getProperties().setProperty(
            propname, value, source, True if runtime is None else runtime
        )

    def lock_description(self) -> str:
        """How it is called where it holds or waits for a lock."""
        return f"{self.build.lock_description()}, step '{self.name}'"

    def startStep(self, remote: Any = None) -> Deferred[int]:
        """Go through the life of this step; the result is its result code."""
        return to_deferred(run_step(self))

    def run(self) -> Any:
        """Do the work; returns a result code, by a coroutine, a Deferred or at once."""
        raise NotImplementedError(f"{type(self).__name__} does not define run()")

    def addTestResultSets(self) -> Any:
        """Called before ``run``; override it to call ``addTestResultSet``."""

    def addURL(self, name: str, url: str) -> Deferred[None]:
        """Show a link on the step."""
        clean = self.build.getProperties().cleanupTextFromSecrets
        self.build.services.data.steps.add_url(self.row, clean(name), clean(url))
        return succeed(None)

    def updateSummary(self) -> None:
        """Show the current summary anew, at most once a second."""
        if self._running and self._summary_call is None:
            self._summary_call = self.build.services.clock.callLater(1, refresh_summary, self)

    def setBuildData(self, name: str, value: bytes, source: str) -> Deferred[None]:
        """Store bytes under a name on the build."""
        return to_deferred(self.build.store_data(name, value, source))

    def setupProgress(self) -> None:
        """Kept for steps that call it; progress is told from earlier builds."""

    def setProgress(self, metric: str, value: float) -> None:
        """Kept for steps that call it; progress is told from earlier builds."""
