"""The keys of ``BuildmasterConfig`` that list objects: builders, workers, schedulers and others."""

from collections.abc import Iterable
from typing import Any

from twisted.application.service import IService

from ci_master.builds.builderconfig import BuilderConfig
from ci_master.config.check import Check
from ci_master.config.places import shown
from ci_master.data.service import BuildbotService

RESERVED_WORKER_NAMES = frozenset({"debug", "change", "status"})


def check_builders(check: Check) -> None:
    """Builders: objects, or dictionaries of the arguments of one."""
    for given in listed(check, "builders", "a list of builders"):
        builder = BuilderConfig(**given) if isinstance(given, dict) else given
        if isinstance(builder, BuilderConfig):
            check.config.builders.append(builder)
        else:
            hint = "write util.BuilderConfig(name=..., workernames=[...], factory=...)"
            check.fault("builders", f"{shown(given)} in c['builders'] is not a builder", hint)


def check_workers(check: Check) -> None:
    """Workers: whatever has a name and a password to compare with."""
    from ci_master.workers.config import AbstractWorker

    for worker in listed(check, "workers", "a list of workers"):
        if not isinstance(worker, AbstractWorker):
            hint = "write worker.Worker('name', 'password')"
            check.fault("workers", f"{shown(worker)} in c['workers'] is not a worker", hint)
        elif worker.name in RESERVED_WORKER_NAMES:
            check.fault_at(worker, "worker", f"worker name '{worker.name}' is reserved")
        else:
            check.config.workers.append(worker)
    refuse_repeated(check, check.config.workers, "worker")


def check_schedulers(check: Check) -> None:
    """Schedulers, by name."""
    from ci_master.schedulers.base import ReconfigurableBaseScheduler

    hint = "write one of schedulers..., for example schedulers.AnyBranchScheduler(...)"
    found = []
    for scheduler in listed(check, "schedulers", "a list of schedulers"):
        if isinstance(scheduler, ReconfigurableBaseScheduler):
            found.append(scheduler)
        else:
            what = f"{shown(scheduler)} in c['schedulers'] is not a scheduler"
            check.fault("schedulers", what, hint)
    refuse_repeated(check, found, "scheduler")
    check.config.schedulers = {scheduler.name: scheduler for scheduler in found}


def check_change_sources(check: Check) -> None:
    """One change source, or a list of them."""
    given = check.given.get("change_source")
    if given is None:
        return
    must = "must be a list of change sources"
    for source in given if isinstance(given, list | tuple) else [given]:
        if isinstance(source, BuildbotService) or IService.providedBy(source):
            check.config.change_sources.append(source)
        else:
            hint = "write changes.PBChangeSource(...), changes.GitPoller(...) or another of changes"
            check.wrong_type("change_source", must, source, hint)
    refuse_repeated(check, check.config.change_sources, "change source")


def check_services(check: Check) -> None:
    """Reporters, cancellers and users' own services, by name."""
    found = []
    for service in listed(check, "services", "a list of services"):
        if isinstance(service, BuildbotService):
            found.append(service)
            continue
        what = (
            f"{type(service)} object should be an instance of buildbot.util.service.BuildbotService"
        )
        if isinstance(service, type):
            what = f"the class {service.__name__} is listed in c['services'], not a service"
        hint = "write one of reporters..., or subclass BuildbotService"
        check.fault("services", what, hint)
    refuse_repeated(check, found, "service")
    check.config.services = {service.name: service for service in found}


def check_projects(check: Check) -> None:
    """Projects, and the code bases that belong to them."""
    config = check.config
    config.projects = named(check, "projects", "project", "Project")
    refuse_repeated(check, config.projects, "project")
    known = {project.name for project in config.projects}
    for codebase in named(check, "codebases", "codebase", "Codebase"):
        project = getattr(codebase, "project", None)
        if project in known:
            config.codebases.append(codebase)
        else:
            check.no_such(codebase, "codebase", "project", str(project), known)


def check_others(check: Check) -> None:
    """Lists whose entries are only known by what they can do."""
    config = check.config
    config.secretsProviders = listed(check, "secretsProviders", "a list")
    for provider in config.secretsProviders:
        if not hasattr(provider, "get"):
            what = f"{shown(provider)} in c['secretsProviders'] is not a secret provider"
            check.fault("secretsProviders", what, "write one of secrets...")
    config.user_managers = listed(check, "user_managers", "a list")
    config.machines = named(check, "machines", "machine", "Machine")
    refuse_repeated(check, config.machines, "machine")


def listed(check: Check, key: str, what: str) -> list[Any]:
    """The list given for a key; empty if there is none or it is of another type."""
    given = check.given.get(key)
    if given is None or given == {}:
        return []
    if isinstance(given, list | tuple):
        return list(given)
    check.wrong_type(key, f"must be {what}", given, f"write c['{key}'] = [...]")
    return []


def named(check: Check, key: str, kind: str, class_name: str) -> list[Any]:
    """A list of objects that have a name."""
    found = []
    for thing in listed(check, key, f"a list of {kind}s"):
        if isinstance(getattr(thing, "name", None), str) and not isinstance(thing, type):
            found.append(thing)
        else:
            what = f"{shown(thing)} in c['{key}'] is not a {kind}"
            check.fault(key, what, f"write util.{class_name}(name=...)")
    return found


def refuse_repeated(check: Check, things: Iterable[Any], kind: str) -> None:
    """Names must be unique within a kind; the later one is the fault."""
    first: dict[str, Any] = {}
    for thing in things:
        if thing.name in first:
            at = getattr(first[thing.name], "config_where", "")
            hint = f"the first one is at {at}" if at else ""
            check.fault_at(thing, kind, f"duplicate {kind} name '{thing.name}'", hint)
        first.setdefault(thing.name, thing)


def run_configurators(check: Check) -> None:
    """Let each configurator change the given dictionary before it is checked."""
    for configurator in listed(check, "configurators", "a list of configurators"):
        configure = getattr(configurator, "configure", None)
        if callable(configure):
            configure(check.given)
        else:
            check.fault("configurators", f"{shown(configurator)} has no method configure")
