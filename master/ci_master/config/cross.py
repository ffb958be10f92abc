"""Checks of what parts of a configuration say about each other."""

from collections.abc import Iterable
from inspect import signature
from typing import Any

from ci_master.config.check import Check


def check_relations(check: Check) -> None:
    """Whether the parts of the configuration fit together."""
    _check_builders_are_unique(check)
    _check_builders_refer_to_what_is_there(check)
    _check_locks(check)
    _check_workers(check)
    if check.config.multiMaster:
        what = "c['multiMaster'] is True, but several masters on one database do not work yet"
        check.fault("multiMaster", what, "leave it out, and give each master a database of its own")
    else:
        _check_something_can_run(check)
        _check_schedulers(check)


def _check_something_can_run(check: Check) -> None:
    if not check.config.workers and "workers" not in _refused(check):
        hint = "write c['workers'] = [worker.Worker('name', 'password')]"
        check.fault("workers", "no workers are configured", hint)
    if not check.config.builders and "builders" not in _refused(check):
        hint = (
            "write c['builders'] = [util.BuilderConfig(name=..., workernames=[...], factory=...)]"
        )
        check.fault("builders", "no builders are configured", hint)


def _refused(check: Check) -> set[str]:
    """Keys whose value was given but refused: saying that nothing is there would mislead."""
    return {
        key
        for key, kept in (("workers", check.config.workers), ("builders", check.config.builders))
        if check.given.get(key) and not kept
    }


def _check_schedulers(check: Check) -> None:
    driven: set[str] = set()
    is_complete = True
    builders = {builder.name for builder in check.config.builders}
    for scheduler in check.config.schedulers.values():
        names = builder_names_of(scheduler)
        if not isinstance(names, list | tuple | set | frozenset):
            is_complete = False  # a renderable: known only when something is scheduled
            continue
        texts = [name for name in names if isinstance(name, str)]
        is_complete = is_complete and len(texts) == len(names)
        driven.update(texts)
        for name in texts:
            if name not in builders:
                check.no_such(scheduler, "scheduler", "builder", name, builders)
    if is_complete:
        idle = [builder for builder in check.config.builders if builder.name not in driven]
        _report_idle(check, idle)


def builder_names_of(scheduler: Any) -> Any:
    """The builder names that a scheduler was made with; None if that cannot be told.

    What is made in a configuration takes over its arguments only when it starts to run.
    """
    if "builderNames" in scheduler.service_kwargs:
        return scheduler.service_kwargs["builderNames"]
    try:
        given = signature(scheduler.checkConfig).bind(
            *scheduler.service_args, **scheduler.service_kwargs
        )
    except TypeError:
        return None
    return given.arguments.get("builderNames")


def _report_idle(check: Check, idle: list[Any]) -> None:
    if idle:
        names = ", ".join(builder.name for builder in idle)
        hint = "name them in the builderNames of a scheduler, for example a ForceScheduler"
        what = f"builder(s) {names} have no schedulers to drive them"
        check.fault_at(idle[0], "", what, hint)


def _check_builders_are_unique(check: Check) -> None:
    for attribute, what in (("name", "name"), ("builddir", "builddir")):
        first: dict[str, Any] = {}
        for builder in check.config.builders:
            value = getattr(builder, attribute)
            if value in first and not (what == "builddir" and builder.name == first[value].name):
                other = first[value]
                at = f" at {other.config_where}" if other.config_where else ""
                hint = f"the first one is builder '{other.name}'{at}"
                check.fault_at(builder, "builder", f"duplicate builder {what} '{value}'", hint)
            first.setdefault(value, builder)


def _check_builders_refer_to_what_is_there(check: Check) -> None:
    workers = {worker.name for worker in check.config.workers}
    projects = {project.name for project in check.config.projects}
    for builder in check.config.builders:
        for name in builder.workernames:
            if name not in workers:
                check.no_such(builder, "builder", "worker", name, workers)
        if builder.project and builder.project not in projects:
            check.no_such(builder, "builder", "project", builder.project, projects)


def _check_locks(check: Check) -> None:
    """Two locks of one name would be one lock to people and two to the master."""
    locks: dict[str, Any] = {}
    refused: set[str] = set()
    for builder in check.config.builders:
        for lock in locks_of_builder(builder):
            known = locks.setdefault(lock.name, lock)
            if lock is not known and lock != known and lock.name not in refused:
                refused.add(lock.name)
                what = f"Two locks share the same name, '{lock.name}'"
                check.fault_at(builder, "builder", what, "make one lock, and use it in both places")


def locks_of_builder(builder: Any) -> Iterable[Any]:
    """The locks that a builder and its steps name; renderables are known only in a build."""
    yield from locks_in(builder.locks)
    for step in builder.factory.steps:
        yield from locks_in(getattr(step, "kwargs", {}).get("locks"))


def locks_in(accesses: Any) -> Iterable[Any]:
    """The locks of a list of accesses and locks; none if it is something else."""
    for access in accesses if isinstance(accesses, list | tuple) else ():
        lock = getattr(access, "lockid", access)
        if hasattr(lock, "name"):
            yield lock


def _check_workers(check: Check) -> None:
    config = check.config
    needs_port = [worker for worker in config.workers if not getattr(worker, "is_local", False)]
    has_port = any("port" in options for options in config.protocols.values())
    if needs_port and not has_port and "null" not in config.protocols:
        hint = "write c['protocols'] = {'pb': {'port': 9989}}"
        what = "workers are configured, but c['protocols'] not"
        check.fault("protocols" if "protocols" in check.given else "workers", what, hint)
    machines = {machine.name for machine in config.machines}
    for worker in config.workers:
        machine = getattr(worker, "machine_name", None)
        if machine is not None and machine not in machines:
            check.no_such(worker, "worker", "machine", machine, machines)
