"""Keys that are taken from configurations written for Buildbot, and have no effect yet."""

from typing import Any

from ci_master.config.check import Check

#: Keys whose absence somebody would notice. Sizes of caches, for one, are not among them.
_KEYS = ("changeHorizon", "manhole", "metrics", "user_managers")


def warn_of_no_effect(check: Check) -> None:
    """Say of each key that it is accepted, and that nothing comes of it."""
    config = check.config
    without = [f"c['{key}']" for key in _KEYS if getattr(config, key)]
    if any(_has_power(machine) for machine in config.machines):
        without.append("c['machines']: machines are not switched on and off, so it")
    without += [
        f"c['protocols']['{name}']"
        for name in sorted(config.protocols)
        if name not in ("pb", "null")
    ]
    config.warnings += [f"{what} has no effect yet" for what in without]


def _has_power(machine: Any) -> bool:
    """Whether it can be switched on: all kinds but the plain one can."""
    return type(machine).__name__ != "Machine"
