"""Keys that are taken from configurations written for Buildbot, and have no effect yet."""

from typing import Any

from ci_master.config.check import Check
from ci_www.hooks.dialects import DIALECTS

#: Keys whose absence somebody would notice. Sizes of caches, for one, are not among them.
_KEYS = ("changeHorizon", "manhole", "metrics", "user_managers")


def warn_of_no_effect(check: Check) -> None:
    """Say of each key that it is accepted, and that nothing comes of it."""
    config = check.config
    without = [f"c['{key}']" for key in _KEYS if getattr(config, key)]
    if any(_has_power(machine) for machine in config.machines):
        without.append("c['machines']: machines are not switched on and off, so it")
    config.warnings += [f"{what} has no effect yet" for what in without]
    unknown = [
        str(name)
        for name, options in config.www["change_hook_dialects"].items()
        if not _is_known_dialect(name, options)
    ]
    if unknown:
        config.warnings.append(
            f"c['www']['change_hook_dialects'] names {', '.join(unknown)}, which this version does"
            " not have: what is sent to such a change hook is refused"
        )
    config.warnings += [
        f"c['protocols']['{name}']: this version does not speak that protocol, so no worker can"
        " connect by it; write c['protocols'] = {'pb': {'port': 9989}}"
        for name in sorted(config.protocols)
        if name not in ("pb", "null")
    ]


def _is_known_dialect(name: Any, options: Any) -> bool:
    """Whether something can read what is sent to a change hook of this name."""
    if isinstance(options, dict) and options.get("custom_class"):
        return True
    return name in DIALECTS


def _has_power(machine: Any) -> bool:
    """Whether it can be switched on: all kinds but the plain one can."""
    return type(machine).__name__ != "Machine"
