"""The recipe of a builder: which steps its builds run, in which order."""

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Any

from twisted.python.reflect import namedAny
from zope.interface import implementer

from ci_master.builds.interfaces import IBuildStepFactory
from ci_master.data.faults import configFault, is_collecting
from ci_master.data.recorded import Recorded

__all__ = ["BuildFactory", "NamedStep", "step_factory"]

#: The step library is built upon this room, so its two steps that the recipe itself needs are
#: known here by name only.
_WRITE_SECRETS = "ci_master.steps.secrets.DownloadSecretsToWorker"
_REMOVE_SECRETS = "ci_master.steps.secrets.RemoveWorkerFileSecret"


@implementer(IBuildStepFactory)
class NamedStep(Recorded):
    """A recorded step whose class is looked up by its name when a build needs it."""

    def __init__(self, class_path: str, *args: Any, **kwargs: Any) -> None:
        self.class_path = class_path
        self._args = args
        self._kwargs = kwargs

    def buildStep(self) -> Any:
        """A new step."""
        return namedAny(self.class_path)(*self._args, **self._kwargs)


def step_factory(step: Any) -> Any:
    """What makes fresh copies of a configured step.

    :param step: a step made in the configuration, or such a factory itself.
    :raises TypeError: if it is neither.
    """
    if not isinstance(step, type):
        if IBuildStepFactory.providedBy(step):
            return step
        get = getattr(step, "get_step_factory", None)
        if callable(get):
            return get()
    raise TypeError(f"step must be an instance of a BuildStep, not {step!r}")


class BuildFactory(Recorded):
    """The steps of a build, in order.

    :param steps: the first steps; ``addStep`` and ``addSteps`` add more.
    :type steps: list or None
    :ivar steps: what makes the steps of each build.
    :ivar workdir: where they run, below the builder's directory on the worker.
    :ivar buildClass: the class of the builds; None for the ordinary one.
    """

    buildClass: type | None = None
    useProgress = True
    workdir: Any = "build"
    #: ``skip_build_if(build)`` true: the build is skipped.
    skip_build_if: Callable[[Any], Any] | None = None

    def __init__(self, steps: Iterable[Any] | None = None) -> None:
        self.steps: list[Any] = []
        if steps is not None:
            self.addSteps(steps)

    def config_record(self) -> Any:
        """What a reload compares: the steps, however they came in."""
        return {
            "buildClass": self.buildClass,
            "steps": self.steps,
            "useProgress": self.useProgress,
            "workdir": self.workdir,
            "skip_build_if": self.skip_build_if,
        }

    def addStep(self, step: Any) -> None:
        """Add a step at the end.

        :raises TypeError: if it is none; while a configuration is loaded, a fault.
        """
        try:
            self.steps.append(step_factory(step))
        except TypeError as error:
            if not is_collecting():
                raise
            hint = f"write {step.__name__}(...)" if isinstance(step, type) else ""
            configFault(str(error), hint)

    def addSteps(
        self, steps: Iterable[Any], withSecrets: Sequence[tuple[str, Any]] | None = None
    ) -> None:
        """Add several steps at the end, surrounded by :meth:`withSecrets` if it is given."""
        if withSecrets:
            with self.withSecrets(withSecrets):
                self.addSteps(steps)
            return
        if isinstance(steps, str) or not isinstance(steps, Iterable):
            configFault(f"addSteps needs a list of steps, not {steps!r}")
            return
        for step in steps:
            self.addStep(step)

    @contextmanager
    def withSecrets(
        self, secrets: Sequence[tuple[str, Any]]
    ) -> Generator["BuildFactory", None, None]:
        """Around the steps added inside: files with secrets are on the worker.

        :param secrets: pairs of the file's path on the worker and a ``Secret``.
        """
        self.addStep(NamedStep(_WRITE_SECRETS, secrets))
        yield self
        self.addStep(NamedStep(_REMOVE_SECRETS, secrets))

    def setSkipBuildIf(self, predicate: Callable[[Any], Any]) -> None:
        """Skip a build if ``predicate(build)`` is true."""
        if not callable(predicate):
            configFault(f"setSkipBuildIf needs a function of the build, not {predicate!r}")
            return
        self.skip_build_if = predicate
