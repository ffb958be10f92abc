"""Fields of a force form whose choices depend on what the master has."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ci_common.aio import call_override
from ci_master.data.arguments import shown
from ci_master.schedulers.errors import ValidationError, ValidationErrorCollector
from ci_master.schedulers.groups import NestedParameter
from ci_master.schedulers.parameters import ChoiceStringParameter, StringParameter

__all__ = ["AnyPropertyParameter", "InheritBuildParameter", "WorkerChoiceParameter"]

FORM_SOURCE = "Force Build Form"
_LONGEST_NAME = 256


class AnyPropertyParameter(NestedParameter):
    """A property whose name, too, is typed in; both are checked by ``c['validation']``."""

    type = "nested"

    def __init__(self, name: str, **kw: Any) -> None:
        fields = [StringParameter("name", label="Name:"), StringParameter("value", label="Value:")]
        kw.setdefault("label", "")
        super().__init__(name, fields=fields, **kw)

    def getFromKwargs(self, kwargs: Mapping[str, list[Any]]) -> Any:
        """It has no value of its own."""
        raise ValidationError("AnyPropertyParameter does not have a value by itself")

    async def updateFromKwargs(
        self,
        properties: dict[str, Any],
        kwargs: Mapping[str, list[Any]],
        collector: ValidationErrorCollector,
        *,
        validation: Mapping[str, Any] | None = None,
        **kw: Any,
    ) -> None:
        """Set the property, if a name was typed in."""
        name, value = (field.getFromKwargs(kwargs) for field in self.fields)
        if not name:
            return
        if len(str(name)) > _LONGEST_NAME:
            raise ValidationError(f"a property's name has at most {_LONGEST_NAME} characters")
        for label, text, rule in (
            ("name", name, "property_name"),
            ("value", value, "property_value"),
        ):
            pattern = (validation or {}).get(rule)
            if pattern is not None and not re.match(pattern, str(text)):
                raise ValidationError(f"bad property {label}='{str(text)[:200]}'")
        properties[name] = value


class InheritBuildParameter(ChoiceStringParameter):
    """Takes over the forced properties of an earlier build.

    :param compatible_builds: function of the master and a builder name (or None), giving the
        choices: texts that begin with ``builder/number``.
    """

    name = "inherit"
    compatible_builds: Any = None

    async def getChoices(
        self, master: Any, scheduler: Any, buildername: str | None
    ) -> Sequence[str]:
        """The builds that may be inherited from."""
        if self.compatible_builds is None:
            return []
        return list(await call_override(self.compatible_builds, master, buildername))

    def getFromKwargs(self, kwargs: Mapping[str, list[Any]]) -> Any:
        """It sets the properties of the build in place of its own."""
        raise ValidationError("InheritBuildParameter can only be used by properties")

    async def updateFromKwargs(
        self,
        properties: dict[str, Any],
        kwargs: Mapping[str, list[Any]],
        collector: ValidationErrorCollector,
        *,
        master: Any = None,
        **kw: Any,
    ) -> None:
        """Copy the properties that the earlier build had from its form."""
        posted = (kwargs.get(self.fullName or "") or [""])[0] or ""
        if not isinstance(posted, str):
            raise ValidationError(f"{self.label}: must be text, not {shown(posted)}")
        if not posted and not self.required:
            return
        found = re.match(r"\s*(?P<builder>[^/]{1,256})/(?P<number>[0-9]{1,9})(?:\s|$)", posted)
        if found is None:
            raise ValidationError(f"bad build: {posted[:200]}")
        builder, number = found["builder"], found["number"]
        build = await master.data.get(("builders", builder, "builds", number))
        if build is None:
            raise ValidationError(f"there is no build {number} of builder '{builder}'")
        inherited = await master.data.get(("builds", str(build["buildid"]), "properties"))
        for name, (value, source) in (inherited or {}).items():
            if source == FORM_SOURCE:
                properties[name] = value


class WorkerChoiceParameter(ChoiceStringParameter):
    """On which worker to build; builders heed it by ``canStartBuild=util.enforceChosenWorker``.

    :param anySentinel: the choice that sets no property.
    """

    strict = False
    label = "Worker"
    required = False
    anySentinel = "-any-"

    def __init__(self, name: str = "workername", **kwargs: Any) -> None:
        super().__init__(name, **kwargs)

    async def updateFromKwargs(
        self,
        properties: dict[str, Any],
        kwargs: Mapping[str, list[Any]],
        collector: ValidationErrorCollector,
        **unused: Any,
    ) -> None:
        """Set the property, unless any worker will do."""
        workername = self.getFromKwargs(kwargs)
        if workername and workername != self.anySentinel:
            await super().updateFromKwargs(properties, kwargs, collector, **unused)

    async def getChoices(
        self, master: Any, scheduler: Any, buildername: str | None
    ) -> Sequence[str]:
        """All workers, or those of one builder."""
        path: tuple[str, ...] = ("workers",)
        if buildername is not None:
            path = ("builders", buildername, "workers")
        workers = await master.data.get(path)
        return [self.anySentinel, *sorted(worker["name"] for worker in workers or ())]
