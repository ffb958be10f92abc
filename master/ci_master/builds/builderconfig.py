"""What a configuration says about one builder."""

from typing import Any

from ci_master.builds.configchecks import Checker, safeTranslate
from ci_master.builds.factory import BuildFactory
from ci_master.builds.lockids import access_of
from ci_master.builds.rendering import is_renderable
from ci_master.data.recorded import Recorded

__all__ = ["RESERVED_UNDERSCORE_NAMES", "BuilderConfig", "always_build"]

#: Builders of our own, whose names may begin with an underscore.
RESERVED_UNDERSCORE_NAMES = ["__Janitor"]

_ARGUMENTS = (
    "name",
    "workername",
    "workernames",
    "builddir",
    "workerbuilddir",
    "factory",
    "tags",
    "nextWorker",
    "nextBuild",
    "locks",
    "env",
    "properties",
    "collapseRequests",
    "description",
    "description_format",
    "canStartBuild",
    "defaultProperties",
    "project",
    "do_build_if",
    "requires",
)


def always_build(build: Any) -> bool:
    """The default of ``do_build_if``."""
    return True


class BuilderConfig(Recorded):
    """A builder: its name, its recipe, and who may build it.

    Arguments, all to be given by keyword:

    * ``name``: not beginning with an underscore.
    * ``workername``, ``workernames``: who may build it; at least one.
    * ``factory``: the ``BuildFactory`` with the steps.
    * ``builddir``: unique key; default: the name with special characters replaced.
      ``workerbuilddir``: directory on the worker; default: ``builddir``.
    * ``tags``: list of strings. ``description`` with ``description_format`` None or "markdown".
      ``project``: name of a configured project.
    * ``nextWorker(builder, workers, request)``, ``nextBuild(builder, requests)``,
      ``canStartBuild(builder, worker, request)``, ``do_build_if(build)``: choices left to the
      author; each may return a Deferred or be async.
    * ``collapseRequests``: True, False, a function, or None for the global setting.
    * ``locks``: list of lock accesses, or a placeholder for one.
    * ``env``: environment of the steps' commands.
    * ``properties``, ``defaultProperties``: set on every build; the latter only if not set
      otherwise.
    * ``requires``: what a worker must have, by name of a fact.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        given = {**dict(zip(_ARGUMENTS, args, strict=False)), **kwargs}
        check = Checker(f"builder {given.get('name')!r}")
        check.unknown({k: v for k, v in given.items() if k not in _ARGUMENTS}, list(_ARGUMENTS))
        get = given.get
        self.name = _checked_name(check, get("name"))
        self.factory = _checked_factory(check, get("factory"))
        self.workernames = _checked_workernames(check, get("workernames"), get("workername"))
        self.builddir: str = check.text("builddir", get("builddir")) or safeTranslate(self.name)
        self.workerbuilddir: str = (
            check.text("workerbuilddir", get("workerbuilddir")) or self.builddir
        )
        self.tags = _checked_tags(check, get("tags"))
        self.description = check.text("description", get("description"))
        self.description_format = check.description_format(get("description_format"))
        self.project = check.text("project", get("project"))
        self.nextWorker = check.function("nextWorker", get("nextWorker"))
        self.nextBuild = check.function("nextBuild", get("nextBuild"))
        self.canStartBuild = check.function("canStartBuild", get("canStartBuild"))
        self.do_build_if = check.function("do_build_if", get("do_build_if")) or always_build
        self.collapseRequests = _checked_collapse(check, get("collapseRequests"))
        self.locks = _checked_locks(check, get("locks"))
        self.env = check.mapping("env", get("env"))
        self.properties = check.storable("properties", get("properties"))
        self.defaultProperties = check.storable("defaultProperties", get("defaultProperties"))
        self.requires = check.mapping("requires", get("requires"))

    def config_record(self) -> Any:
        """What a reload compares: all settings, also those changed after construction."""
        return {name: getattr(self, name) for name in _ARGUMENTS if name != "workername"}

    def copy(self, **changes: Any) -> "BuilderConfig":
        """Another builder with the same settings except ``changes``."""
        given = {**dict(zip(_ARGUMENTS, self.recorded_args, strict=False)), **self.recorded_kwargs}
        return type(self)(**{**given, **changes})

    def getConfigDict(self) -> dict[str, Any]:
        """The settings that are not empty, for display."""
        shown = {name: value for name, value in self.config_record().items() if value}
        if self.do_build_if is always_build:
            del shown["do_build_if"]
        return shown

    def __repr__(self) -> str:
        return f"BuilderConfig(name={self.name!r})"


def _checked_name(check: Checker, name: Any) -> str:
    if isinstance(name, bytes):
        try:
            name = name.decode("ascii")
        except UnicodeDecodeError:
            check.fault("a name given as bytes must be ASCII")
            name = name.decode("latin-1")
    if not isinstance(name, str) or not name:
        check.fault("builder's name is required", "write name='...'")
        return ""
    if name.startswith("_") and name not in RESERVED_UNDERSCORE_NAMES:
        check.fault(f"builder names must not start with an underscore: '{name}'")
    return name


def _checked_factory(check: Checker, factory: Any) -> BuildFactory:
    if isinstance(factory, BuildFactory):
        return factory
    if factory is None:
        check.fault("it has no factory", "write factory=util.BuildFactory([...])")
    else:
        check.fault(f"factory is {factory!r}, but must be a BuildFactory")
    return BuildFactory()


def _checked_workernames(check: Checker, workernames: Any, workername: Any) -> list[str]:
    names = [workernames] if isinstance(workernames, str) else workernames
    found = check.texts("workernames", names)
    if workername:
        single = check.text("workername", workername)
        found.extend([single] if single else [])
    elif not found and not workernames:
        check.fault("at least one workername is required", "write workernames=['...']")
    return found


def _checked_tags(check: Checker, tags: Any) -> list[str]:
    found = check.texts("tags", tags)
    twice = sorted({tag for tag in found if found.count(tag) > 1})
    if twice:
        check.fault(f"tags contains duplicates: {', '.join(twice)}")
    return list(dict.fromkeys(found))


def _checked_collapse(check: Checker, value: Any) -> Any:
    if value is None or isinstance(value, bool) or callable(value):
        return value
    check.fault(f"collapseRequests is {value!r}, but must be True, False or a function")
    return None


def _checked_locks(check: Checker, locks: Any) -> Any:
    if not locks and not is_renderable(locks):
        return []
    if is_renderable(locks):
        return locks
    if not isinstance(locks, list | tuple):
        check.fault(f"locks is {locks!r}, but must be a list", "write [lock.access('counting')]")
        return []
    found = []
    for lock in locks:
        try:
            found.append(lock if is_renderable(lock) else access_of(lock))
        except TypeError as error:
            check.fault(f"locks: {error}")
    return found
