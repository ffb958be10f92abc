"""How schedulers ask for builds."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from ci_common.aio import call_override, to_deferred
from ci_master.builds.properties import Properties, render_now
from ci_master.data.service import Site

__all__ = ["Added", "AsksForBuilds", "as_properties"]

#: What adding a buildset gives: its id and its requests by builder id. (None, {}): no builder
#: was left to build, so nothing was added.
Added = tuple[int | None, dict[int, int]]


class AsksForBuilds:
    """The part of a scheduler that adds buildsets."""

    log = Logger()

    name: Any
    site: Site
    builderNames: Any = ()
    priority: Any = None
    properties: Properties
    codebases: dict[str, dict[str, Any]] = {"": {}}
    _must_render = False
    #: REST dicts of changes that are going to be built, so that they need not be read.
    _known_changes: dict[int, Mapping[str, Any]]

    async def getCodebaseDict(self, codebase: str) -> dict[str, Any]:
        """What is built of a codebase that no change speaks of; KeyError if there is none."""
        return self.codebases[codebase]

    def addBuildsetForSourceStampsWithDefaults(
        self,
        reason: str,
        sourcestamps: Sequence[Mapping[str, Any]] | None = None,
        waited_for: bool = False,
        properties: Any = None,
        builderNames: Any = None,
        priority: int | None = None,
        **kw: Any,
    ) -> Deferred[Added]:
        """Ask for builds of all codebases; what ``sourcestamps`` leaves out has its default."""
        return to_deferred(
            self._add_with_defaults(
                sourcestamps,
                reason=reason,
                waited_for=waited_for,
                properties=properties,
                builderNames=builderNames,
                priority=priority,
                **kw,
            )
        )

    async def _add_with_defaults(
        self, sourcestamps: Sequence[Mapping[str, Any]] | None, **kw: Any
    ) -> Added:
        given = {stamp.get("codebase", ""): stamp for stamp in sourcestamps or ()}
        stamps = []
        for codebase in dict.fromkeys([*self.codebases, *given]):
            stamps.append(await self._default_stamp(codebase) | dict(given.get(codebase, {})))
        return await self.addBuildsetForSourceStamps(sourcestamps=stamps, **kw)

    async def _default_stamp(self, codebase: str) -> dict[str, Any]:
        default: Mapping[str, Any] = {}
        if codebase in self.codebases:
            default = await call_override(self.getCodebaseDict, codebase)
        return {
            "codebase": codebase,
            "repository": default.get("repository") or "",
            "branch": default.get("branch"),
            "revision": default.get("revision"),
            "project": default.get("project") or "",
        }

    def addBuildsetForChanges(
        self,
        waited_for: bool = False,
        reason: str = "",
        external_idstring: str | None = None,
        changeids: Sequence[int] | None = None,
        builderNames: Any = None,
        properties: Any = None,
        priority: int | None = None,
        **kw: Any,
    ) -> Deferred[Added]:
        """Ask for builds of changes: per codebase of the last one."""
        return to_deferred(
            self._add_for_changes(
                changeids or (),
                properties,
                waited_for=waited_for,
                reason=reason,
                external_idstring=external_idstring,
                builder_names=builderNames,
                priority=priority,
                **kw,
            )
        )

    async def _add_for_changes(self, changeids: Sequence[int], properties: Any, **kw: Any) -> Added:
        changes = await self._get_changes(changeids)
        by_codebase: dict[str, list[Mapping[str, Any]]] = {}
        props = Properties()
        for change in changes:
            by_codebase.setdefault(change["codebase"], []).append(change)
            for name, (value, source) in change["properties"].items():
                props.setProperty(name, value, source)
        if properties:
            props.updateFromProperties(as_properties(properties))
        stamps: list[Any] = []
        for codebase in self.codebases:
            if codebase in by_codebase:
                stamps.append(by_codebase[codebase][-1]["sourcestamp"]["ssid"])
            else:
                stamps.append(await self._default_stamp(codebase))
        return await self._add_buildset(stamps, changes, by_codebase, properties=props, **kw)

    def addBuildsetForSourceStamps(
        self,
        waited_for: bool = False,
        sourcestamps: Sequence[Any] | None = None,
        reason: str = "",
        external_idstring: str | None = None,
        properties: Any = None,
        builderNames: Any = None,
        priority: int | None = None,
        **kw: Any,
    ) -> Deferred[Added]:
        """Ask for builds of exactly these source stamps: dicts, or ids of stored ones.

        :param properties: the scheduler's own override them.
        :returns: the buildset's id, and the request ids by builder id.
        """
        adding = self._add_buildset(
            sourcestamps or (),
            [],
            {},
            waited_for=waited_for,
            reason=reason,
            external_idstring=external_idstring,
            builder_names=builderNames,
            properties=properties,
            priority=priority,
            **kw,
        )
        return to_deferred(adding)

    async def _add_buildset(
        self,
        stamps: Sequence[Any],
        changes: Sequence[Mapping[str, Any]],
        by_codebase: Mapping[str, Sequence[Mapping[str, Any]]],
        *,
        reason: str,
        builder_names: Any,
        properties: Any,
        priority: int | None,
        **kw: Any,
    ) -> Added:
        props = Properties()
        props.updateFromProperties(as_properties(properties))
        props.updateFromProperties(self.properties)  # the scheduler's own override all others
        props.master = self.site.master
        props.sourcestamps = [stamp for stamp in stamps if isinstance(stamp, Mapping)]
        props.sourcestamps += [change["sourcestamp"] for change in changes]
        props.changes = list(changes)
        props.files = [name for change in changes for name in change["files"]]
        names = self.builderNames if builder_names is None else builder_names
        names = render_now(names, props)
        names = await names if isinstance(names, Deferred) else names
        values = await self._rendered(props)
        builder_ids = self._builder_ids(names)
        if not builder_ids:
            return None, {}
        if priority is None:
            priority = await self._priority(list(names), by_codebase)
        if changes:
            kw["changeids"] = [change["changeid"] for change in changes]
        elif not kw.get("changeids") and kw.get("parent_buildid") is not None:
            kw["changeids"] = self._changes_of_parent(kw["parent_buildid"], stamps)
        added: Added = await self.site.data.buildsets.add(
            builderids=builder_ids,
            sourcestamps=list(stamps),
            reason=reason,
            scheduler=self.name,
            properties=values,
            priority=priority,
            **kw,
        )
        return added

    def _changes_of_parent(self, buildid: int, stamps: Sequence[Any]) -> list[int]:
        """The changes that the build which triggers was asked for, of what is built here too."""
        parent = self.site.data.builds.running.get(buildid)
        if parent is None:
            return []
        here = {_line(stamp) for stamp in stamps if isinstance(stamp, Mapping)}
        return [one["changeid"] for one in parent.asked_changes if _line(one) in here]

    async def _rendered(self, props: Properties) -> dict[str, tuple[Any, str | None]]:
        """The properties, name -> (value, source), with all placeholders filled in."""
        values = props.asDict()
        if not self._must_render:
            return values
        rendered = render_now({key: value for key, (value, _) in values.items()}, props)
        rendered = await rendered if isinstance(rendered, Deferred) else rendered
        return {key: (rendered[key], source) for key, (_, source) in values.items()}

    async def _priority(self, names: list[str], by_codebase: Mapping[str, Any]) -> int:
        if callable(self.priority):
            return int(await call_override(self.priority, names, by_codebase))
        return self.priority or 0

    def _builder_ids(self, names: Iterable[str]) -> list[int]:
        known = self.site.data.builders.by_name
        ids = []
        for name in names:
            builder = known.get(name)
            if builder is not None:
                ids.append(builder.id)
            else:
                self.log.warn(
                    "scheduler '{name}' asks for builder '{builder}', which does not exist",
                    name=self.name,
                    builder=name,
                )
        return ids

    async def _get_changes(self, changeids: Sequence[int]) -> list[Mapping[str, Any]]:
        """REST dicts of changes, in the order of their ids; mostly from memory."""
        missing = [changeid for changeid in changeids if changeid not in self._known_changes]
        read = {}
        if missing:
            for change in await self.site.data.changes.get_many(missing):
                read[change["changeid"]] = change
        found = {**self._known_changes, **read}
        return [found[changeid] for changeid in sorted(set(changeids)) if changeid in found]


def _line(what: Mapping[str, Any]) -> tuple[Any, ...]:
    """The line of development of a change or a source stamp."""
    branch = what.get("branch")
    return branch, *(what.get(name) or "" for name in ("codebase", "repository", "project"))


def as_properties(properties: Any) -> Properties:
    """A Properties object from one, or from name -> (value, source)."""
    if isinstance(properties, Properties):
        return properties
    return Properties.fromDict(properties or {})
