"""Checks of the arguments of a ForceScheduler."""

import re
from collections.abc import Mapping
from typing import Any

from ci_master.data.faults import configFault
from ci_master.schedulers.groups import CodebaseParameter
from ci_master.schedulers.parameter_base import BaseParameter
from ci_master.schedulers.parameters import IntParameter, StringParameter

__all__ = ["check_force_arguments"]

_IDENTIFIER = re.compile(r"[a-zA-Z\u00a0-\U0010ffff_-][a-zA-Z0-9\u00a0-\U0010ffff_-]*\Z")


def check_force_arguments(
    name: Any,
    *,
    username: Any,
    reason: Any,
    priority: Any,
    texts: Mapping[str, Any],
    codebases: Any,
    properties: Any,
    reason_string: Any,
) -> None:
    """Report what is wrong with them."""
    where = f"ForceScheduler '{name}'"
    if not isinstance(name, str) or not _IDENTIFIER.match(name):
        configFault(
            f"ForceScheduler name must be an identifier: {name!r}",
            "use letters, digits, '-' and '_'",
        )
    for argument, value, kind in (
        ("username", username, StringParameter),
        ("reason", reason, StringParameter),
        ("priority", priority, IntParameter),
    ):
        if value is not None and not isinstance(value, kind):
            article = "an" if kind is IntParameter else "a"
            configFault(f"{where}: {argument} must be {article} {kind.__name__}: {value!r}")
    for argument, text in texts.items():
        if not isinstance(text, str | None):
            configFault(f"{where}: {argument} must be a string: {text!r}")
    _check_codebases(where, codebases)
    if properties is not None and not _all_are(properties, BaseParameter):
        configFault(f"{where}: properties must be a list of BaseParameters: {properties!r}")
    try:
        reason_string % {"owner": "", "reason": ""}
    except (KeyError, ValueError, TypeError) as error:
        configFault(
            f"{where}: reasonString {reason_string!r} cannot be filled in: {error!r}",
            "it may hold %(owner)s and %(reason)s; write %% for a percent sign",
        )


def _check_codebases(where: str, codebases: Any) -> None:
    if codebases is None:
        return
    if not isinstance(codebases, list | tuple):
        configFault(
            f"{where}: 'codebases' should be a list of strings or CodebaseParameter, not "
            f"{type(codebases)}"
        )
    elif not codebases:
        configFault(
            f"{where}: 'codebases' cannot be empty",
            "use [CodebaseParameter(codebase='', hide=True)] if needed",
        )
    elif not _all_are(codebases, (str, CodebaseParameter)):
        configFault(
            f"{where}: 'codebases' must be a list of strings or CodebaseParameter objects: "
            f"{codebases!r}"
        )


def _all_are(values: Any, kind: type | tuple[type, ...]) -> bool:
    return isinstance(values, list | tuple) and all(isinstance(value, kind) for value in values)
