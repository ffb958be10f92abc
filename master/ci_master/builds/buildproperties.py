"""The properties that a build begins with: who gives which, and who overrides whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

from ci_master.builds.properties import Properties
from ci_master.builds.rendering import needs_rendering, render_now
from ci_master.builds.sourcestamp import blamelist

if TYPE_CHECKING:
    from ci_master.builds.build import Build

PropertyDict = dict[str, tuple[Any, str | None]]


def assemble(build: Build) -> None:
    """Set the properties of a build before it begins; later sources override earlier ones."""
    properties = build.properties
    _of_configuration(properties, build.services.config)
    for stamp in build.sources:
        for change in stamp.changes:
            for name, (value, source) in change.properties.asDict().items():
                properties.setProperty(name, value, source)
    for request in build.request_rows:
        for name, (value, source) in request.buildset.properties.items():
            properties.setProperty(name, value, source)
    scheduler = build.request_rows[0].buildset.scheduler
    if scheduler and "scheduler" not in properties:
        properties.setProperty("scheduler", scheduler, "Scheduler")
    _of_builder(properties, build)
    _of_worker(properties, build)
    _of_build(properties, build)


def _of_configuration(properties: Properties, config: Any) -> None:
    configured = config.properties
    if isinstance(configured, Properties):
        properties.updateFromProperties(configured)
    elif configured:
        properties.update(configured, getattr(config, "filename", None) or "master.cfg")


def _of_builder(properties: Properties, build: Build) -> None:
    config, row = build.config, build.builder.row
    properties.setProperty("buildername", row.name, "Builder")
    properties.setProperty("builderid", row.id, "Builder")
    if config.project:
        properties.setProperty("projectname", config.project, "Builder")
        properties.setProperty("projectid", row.projectid, "Builder")
    _configured(properties, config, "Builder")


def _of_worker(properties: Properties, build: Build) -> None:
    config = build.worker.config
    properties.setProperty("workername", build.workername, "Worker")
    machine = getattr(config, "machine_name", None)
    if machine:
        properties.setProperty("machine_name", machine, "Worker")
    _configured(properties, config, "Worker")


def _configured(properties: Properties, config: Any, source: str) -> None:
    if config.properties:
        properties.update(config.properties, source)
    for name, value in (config.defaultProperties or {}).items():
        if name not in properties:
            properties.setProperty(name, value, source)


def _of_build(properties: Properties, build: Build) -> None:
    properties.setProperty("buildnumber", build.number, "Build")
    owners = blamelist(build.sources)
    owner = properties.getProperty("owner")
    if isinstance(owner, str) and owner not in owners:
        owners.append(owner)
    if owners:
        properties.setProperty("owners", owners, "Build")
    if len(build.sources) == 1:
        stamp = build.sources[0]
        for name in ("branch", "revision", "repository", "codebase", "project"):
            properties.setProperty(name, getattr(stamp, name), "Build")


def of_attached_worker(build: Build) -> None:
    """Set what is known once the worker is there."""
    session = build.session
    if session is None or not session.basedir:
        return
    directory = build.slot.builders.get(build.builder.name, "")
    join = build.worker.path_module.join
    build.properties.setProperty("basedir", session.basedir, "Worker")
    build.properties.setProperty("builddir", join(session.basedir, directory), "Worker")


async def storable(properties: Properties) -> PropertyDict:
    """The properties as they are stored: rendered, and with used secrets masked."""
    found = properties.asDict()
    for name, (value, source) in found.items():
        if needs_rendering(value):
            value = render_now(value, properties)
            if isinstance(value, Deferred):
                value = await value
            found[name] = (value, source)
    if properties.redactor:
        return {
            name: (_masked(value, properties), source) for name, (value, source) in found.items()
        }
    return found


def _masked(value: Any, properties: Properties) -> Any:
    if isinstance(value, str):
        return properties.cleanupTextFromSecrets(value)
    if isinstance(value, list | tuple):
        return [_masked(item, properties) for item in value]
    if isinstance(value, dict):
        return {_masked(key, properties): _masked(item, properties) for key, item in value.items()}
    return value
