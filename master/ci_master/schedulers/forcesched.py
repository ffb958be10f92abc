"""Builds forced by people, from a form."""

from collections.abc import Mapping, Sequence
from typing import Any

from ci_common.aio import call_override
from ci_common.faults import Refused
from ci_common.numbers import MOST_32, whole_number
from ci_master.builds.properties import Properties
from ci_master.data.actions import OWNER
from ci_master.data.arguments import Argument, Arguments, BadArguments, Text, Whole, shown
from ci_master.schedulers.base import Added, ReconfigurableBaseScheduler
from ci_master.schedulers.choices import (
    FORM_SOURCE,
    AnyPropertyParameter,
    InheritBuildParameter,
    WorkerChoiceParameter,
)
from ci_master.schedulers.errors import (
    CollectedValidationError,
    ValidationError,
    ValidationErrorCollector,
)
from ci_master.schedulers.forcechecks import check_force_arguments
from ci_master.schedulers.groups import (
    CodebaseParameter,
    NestedParameter,
    ParameterGroup,
    PatchParameter,
    oneCodebase,
)
from ci_master.schedulers.parameters import (
    BaseParameter,
    BooleanParameter,
    ChoiceStringParameter,
    FileParameter,
    FixedParameter,
    IntParameter,
    StringParameter,
    TextParameter,
    UserNameParameter,
)

__all__ = [
    "FORCE",
    "AnyPropertyParameter",
    "BaseParameter",
    "BooleanParameter",
    "ChoiceStringParameter",
    "CodebaseParameter",
    "CollectedValidationError",
    "FileParameter",
    "FixedParameter",
    "ForceScheduler",
    "InheritBuildParameter",
    "IntParameter",
    "NestedParameter",
    "ParameterGroup",
    "PatchParameter",
    "StringParameter",
    "TextParameter",
    "UserNameParameter",
    "ValidationError",
    "ValidationErrorCollector",
    "WorkerChoiceParameter",
    "oneCodebase",
]

_REASON_STRING = "A build was forced by '%(owner)s': %(reason)s"
_NOBODY = ("", "anonymous", None)
_REASON = Text(10_000)
_PRIORITY = Whole(-MOST_32, MOST_32)


class _Posted:
    """Anything: the field of that name, or the choice of builders, says what is wrong with it."""

    def check(self, value: Any) -> Any:
        """The value."""
        return value


#: The arguments of ``force``. Those that are not named are the fields of the form by full name.
FORCE = Arguments(
    OWNER,
    Argument("builderNames", _Posted()),
    Argument("builderid", _Posted()),
    others=_Posted(),
)


class ForceScheduler(ReconfigurableBaseScheduler):
    """A form by which people ask for builds.

    :param username: the field for who asks, used where the web server does not know that.
    :type username: field or None
    :param reason: the field for why the build is wanted.
    :type reason: field or None
    :param reasonString: the reason of the buildset; may hold ``%(owner)s`` and ``%(reason)s``.
    :param buttonName: the text of the button; None shows the name.
    :type buttonName: string or None
    :param codebases: names of codebases or ``CodebaseParameter`` fields; None asks for one
        codebase without a name.
    :type codebases: list or None
    :param label: the title of the form; None shows the name.
    :type label: string or None
    :param properties: further fields, each of which sets a property.
    :type properties: list of fields or None
    :param priority: the field for the priority of the build requests.
    :type priority: field or None
    """

    def __init__(self, name: str, builderNames: Any, **kwargs: Any) -> None:
        super().__init__(builderNames, name=name, **kwargs)

    def checkConfig(
        self,
        builderNames: Any,
        username: Any = None,
        reason: Any = None,
        reasonString: str = _REASON_STRING,
        buttonName: str | None = None,
        codebases: Any = None,
        label: str | None = None,
        properties: Any = None,
        priority: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Check the arguments."""
        super().checkConfig(builderNames, **kwargs)
        check_force_arguments(
            self.name,
            username=username,
            reason=reason,
            priority=priority,
            texts={"buttonName": buttonName, "label": label},
            codebases=codebases,
            properties=properties,
            reason_string=reasonString,
        )

    async def reconfigService(
        self,
        builderNames: Any,
        username: Any = None,
        reason: Any = None,
        reasonString: str = _REASON_STRING,
        buttonName: str | None = None,
        codebases: Any = None,
        label: str | None = None,
        properties: Any = None,
        priority: Any = None,
        **kwargs: Any,
    ) -> None:
        """Take over the arguments."""
        self.username = username or UserNameParameter()
        self.reason = reason or StringParameter("reason", default="force build", size=20)
        self.reasonString = reasonString
        self.forced_priority = priority or IntParameter("priority", default=0)
        self.buttonName = buttonName or self.name
        self.label = label or self.name
        self.forcedProperties: Sequence[BaseParameter] = list(properties or ())
        fields = [CodebaseParameter("")] if codebases is None else codebases
        self._codebase_fields = [
            CodebaseParameter(field) if isinstance(field, str) else field for field in fields
        ]
        names: dict[str, Any] = {field.codebase: {} for field in self._codebase_fields}
        await super().reconfigService(builderNames, codebases=names, **kwargs)
        general = [self.username, self.reason, self.forced_priority]
        self.all_fields: list[BaseParameter] = [
            NestedParameter(name="", fields=general),
            *self._codebase_fields,
            *self.forcedProperties,
        ]
        for field in self.all_fields:
            field.setParent(None)

    # -- the form --------------------------------------------------------------------------

    async def as_json(self) -> dict[str, Any]:
        """The REST resource, with the choices of the fields as they are now."""
        return {
            "name": self.name,
            "button_name": self.buttonName,
            "label": self.label,
            "builder_names": self._plain_builder_names(),
            "enabled": self.enabled,
            "all_fields": await self.form_fields(),
        }

    async def form_fields(self, buildername: str | None = None) -> list[dict[str, Any]]:
        """The fields as plain data.

        :param buildername: choices are those for this builder; None: for all.
        """
        return [await self._spec_of(field, buildername) for field in self.all_fields]

    async def _spec_of(self, field: BaseParameter, buildername: str | None) -> dict[str, Any]:
        spec = field.getSpec()
        if isinstance(field, NestedParameter):
            spec["fields"] = [await self._spec_of(one, buildername) for one in field.fields]
        elif isinstance(field, ChoiceStringParameter):
            try:
                choices = await call_override(field.getChoices, self.master, self, buildername)
                spec["choices"] = list(choices)
            except Exception:  # of the user's function: the rest of the form is still of use
                self.log.failure(
                    "ForceScheduler '{name}': the choices of field '{field}' failed",
                    name=self.name,
                    field=field.fullName,
                )
                spec["choices"] = []
        return spec

    def _plain_builder_names(self) -> list[str]:
        names = self.builderNames
        return [str(name) for name in names] if isinstance(names, list | tuple) else []

    # -- forcing ---------------------------------------------------------------------------

    async def computeBuilderNames(
        self, builderNames: Any = None, builderid: int | str | None = None
    ) -> Any:
        """The builders that are meant: some of the scheduler's, or all.

        :raises BadArguments: if others are named.
        """
        argument = "builderid" if builderNames is None else "builderNames"
        if builderNames is None:
            if builderid is None:
                return self.builderNames
            number = whole_number(builderid, most=MOST_32)
            builder = self.site.data.builders.by_id.get(number)
            named = f"builder {shown(builderid)}"
            builderNames = [builder.name] if builder is not None else [named]
        if not isinstance(builderNames, list | tuple):
            builderNames = [builderNames]
        own = self._plain_builder_names()
        wanted = [name for name in builderNames if name in own]
        if not wanted:
            asked = [
                name if isinstance(name, str) and len(name) < 256 else shown(name)
                for name in builderNames
            ]
            what = (
                f"'{self.name}' forces builds of {', '.join(own) or 'no builder'}; not of "
                f"{', '.join(asked[:10]) or 'the builder asked for'}"
            )
            raise BadArguments({argument: what})
        return wanted

    async def gatherPropertiesAndChanges(
        self, collector: ValidationErrorCollector, /, **kwargs: Any
    ) -> tuple[Properties, list[int], dict[str, dict[str, Any]]]:
        """The properties, changes and source stamps from what was posted.

        :param kwargs: lists of values by full name of the field.
        """
        values: dict[str, Any] = {}
        stamps: dict[str, dict[str, Any]] = {}
        context: dict[str, Any] = {
            "sourcestamps": stamps,
            "collector": collector,
            "master": self.site.master,
            "scheduler": self,
            "validation": getattr(self.site.config, "validation", None),
        }
        for field in self.forcedProperties:
            await collector.collectValidationErrors(
                field.fullName, field.updateFromKwargs, properties=values, kwargs=kwargs, **context
            )
        for codebase in self._codebase_fields:
            await collector.collectValidationErrors(
                codebase.fullName,
                codebase.updateFromKwargs,
                properties=values,
                kwargs=kwargs,
                **context,
            )
        properties = Properties()
        for name, value in values.items():
            if name:
                properties.setProperty(name, value, FORM_SOURCE)
        return properties, [], stamps

    async def force(
        self,
        /,
        owner: str | None = None,
        builderNames: Any = None,
        builderid: int | str | None = None,
        **kwargs: Any,
    ) -> Added:
        """Ask for builds.

        :param owner: who asks, as far as the web server knows. If it does not, the field
            ``username`` says; the property ``owner`` is empty where that is empty too.
        :param kwargs: what was posted: scalars or lists by full name of the field; contents of
            files as text or bytes.
        :returns: the buildset's id, and the request ids by builder id.
        :raises CollectedValidationError: for all fields that are wrong.
        :raises Refused: if the builders are none of this scheduler's, or it is switched off.
        """
        if not self.enabled:
            raise Refused(409, f"scheduler '{self.name}' is switched off")
        names = await self.computeBuilderNames(builderNames, builderid)
        posted: dict[str, list[Any]] = {
            name: list(value) if isinstance(value, list | tuple) else [value]
            for name, value in kwargs.items()
            if value is not None
        }
        collector = ValidationErrorCollector()
        reason = await self._value_of(self.reason, collector, posted)
        priority = await self._value_of(self.forced_priority, collector, posted)
        if owner in _NOBODY:
            owner = await self._value_of(self.username, collector, posted) or ""
        gathered = await call_override(self.gatherPropertiesAndChanges, collector, **posted)
        properties, _, stamps = gathered
        for field, kind, value in (
            (self.reason, _REASON, str(reason or "")),
            (self.forced_priority, _PRIORITY, priority or 0),
        ):
            if field.fullName not in collector.errors:
                await collector.collectValidationErrors(field.fullName, kind.check, value)
        collector.maybeRaiseCollectedErrors()
        properties.setProperty("reason", reason, FORM_SOURCE)
        properties.setProperty("owner", owner, FORM_SOURCE)
        return await self.addBuildsetForSourceStampsWithDefaults(
            reason=self.reasonString % {"owner": owner, "reason": reason},
            sourcestamps=[_stamp(codebase, given) for codebase, given in stamps.items()],
            properties=properties,
            builderNames=names,
            priority=int(priority or 0),
        )

    async def _value_of(
        self,
        field: BaseParameter,
        collector: ValidationErrorCollector,
        posted: Mapping[str, list[Any]],
    ) -> Any:
        return await collector.collectValidationErrors(field.fullName, field.getFromKwargs, posted)


def _stamp(codebase: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The source stamp of what was typed in. An empty branch or revision, which stands for the
    default one, stays the empty text that users' steps and renderables have always found there.
    """
    stamp = {"codebase": codebase, **given}
    for key in ("branch", "revision", "repository", "project"):
        if key in stamp:
            stamp[key] = stamp[key] or ""
    patch = stamp.get("patch")
    if patch is not None:
        body = patch["body"]
        stamp["patch"] = {
            "body": body.encode() if isinstance(body, str) else body,
            "level": patch.get("level") or 0,
            "author": patch.get("author") or "",
            "comment": patch.get("comment") or "",
            "subdir": patch.get("subdir") or ".",
        }
    return stamp
