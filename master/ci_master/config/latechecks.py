"""Checks of services that are coroutines or generators: run to their end within the load."""

import inspect
from collections.abc import Generator
from dataclasses import replace
from typing import Any

from twisted.python.failure import Failure

from ci_common.aio import settle, to_deferred
from ci_common.faults import ConfigError
from ci_master.config.check import Check
from ci_master.config.places import place_of


def finish_checks(check: Check) -> None:
    """Users' own ``checkConfig`` may be written as a coroutine, or for ``inlineCallbacks``."""
    config = check.config
    for kind, services in (
        ("worker", config.workers),
        ("scheduler", config.schedulers.values()),
        ("change source", config.change_sources),
        ("service", config.services.values()),
    ):
        for service in services:
            begun = getattr(service, "_finished_check", None)
            if isinstance(begun, Generator) or inspect.isawaitable(begun):
                _finish(check, service, kind, begun)


def _finish(check: Check, service: Any, kind: str, begun: Any) -> None:
    known = len(check.faults)
    outcome: list[Any] = []
    to_deferred(settle(begun)).addBoth(outcome.append)
    where = place_of(service, kind) or check.config.filename
    check.faults[known:] = [replace(fault, where=where) for fault in check.faults[known:]]
    if not outcome:
        check.fault_at(service, kind, "its checkConfig waits for something that is yet to come")
    elif isinstance(outcome[0], Failure):
        error = outcome[0].value
        if isinstance(error, ConfigError):
            check.faults.extend(replace(f, where=f.where or where) for f in error.faults)
        else:
            what = f"its checkConfig failed: {type(error).__name__}: {error}"
            check.fault_at(service, kind, what)
