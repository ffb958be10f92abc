"""Checks of what a step's constructor was given. Placeholders pass: their values come later."""

import inspect
import math
from typing import Any

from ci_master.builds.faults import configFault
from ci_master.builds.rendering import is_renderable

__all__ = [
    "argument_names",
    "check_param_bool",
    "check_param_length",
    "check_param_number_none",
    "check_param_str",
    "check_param_str_none",
]


def argument_names(cls: type) -> set[str]:
    """Names of the arguments that the constructors of a class and of its bases spell out."""
    names: set[str] = set()
    for base in cls.__mro__:
        init = base.__dict__.get("__init__")
        if inspect.isfunction(init):
            for parameter in inspect.signature(init).parameters.values():
                if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                    names.add(parameter.name)
    return names - {"self"}


def check_param_length(value: Any, name: str, max_length: int) -> None:
    """A string must fit the column that stores it."""
    if isinstance(value, str) and len(value) > max_length:
        configFault(f"{name} '{value}' has more than {max_length} characters")


def check_param_bool(value: Any, class_name: str, param_name: str) -> None:
    """It must be True or False."""
    _check(value, (bool,), "True or False", class_name, param_name)


def check_param_str(value: Any, class_name: str, param_name: str) -> None:
    """It must be a string."""
    _check(value, (str,), "a string", class_name, param_name)


def check_param_str_none(value: Any, class_name: str, param_name: str) -> None:
    """It must be a string or None."""
    _check(value, (str, type(None)), "a string or None", class_name, param_name)


def check_param_number_none(value: Any, class_name: str, param_name: str) -> None:
    """It must be a number, not NaN or infinite, or None."""
    _check(value, (int, float, type(None)), "a number or None", class_name, param_name)
    if isinstance(value, float) and not math.isfinite(value):
        configFault(f"{class_name} argument {param_name} is {value!r}, but must be a finite number")


def _check(
    value: Any, kinds: tuple[type, ...], wanted: str, class_name: str, param_name: str
) -> None:
    if not isinstance(value, kinds) and not is_renderable(value):
        configFault(f"{class_name} argument {param_name} is {value!r}, but must be {wanted}")
