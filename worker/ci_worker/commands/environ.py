"""The environment of a program: the worker's own, changed by what the master asks."""

import os
import re
from collections.abc import Mapping
from typing import Any

_REFERENCE = re.compile(r"\$\{([0-9a-zA-Z_]*)\}")


def environment(
    changes: Mapping[str, Any] | None, environ: Mapping[str, str], workdir: str
) -> dict[str, str]:
    """The environment for a program in ``workdir``.

    :param changes: name to value. None removes the name, a list is joined with ``os.pathsep``,
        ``${NAME}`` stands for a value of ``environ``, and PYTHONPATH goes before the one there is.
    :raises TypeError: for a value of another kind.
    """
    if os.name == "nt":  # there the case of a name does not matter
        environ = {name.upper(): value for name, value in environ.items()}
        changes = {name.upper(): value for name, value in (changes or {}).items()}
    made = dict(environ)
    for name, value in (changes or {}).items():
        if value is None:
            made.pop(name, None)
            continue
        text = _text(name, value)
        expanded = _REFERENCE.sub(lambda found: environ.get(_as_here(found[1]), ""), text)
        if name == "PYTHONPATH" and environ.get(name):
            expanded += os.pathsep + environ[name]
        made[name] = expanded
    made["PWD"] = workdir
    return made


def _as_here(name: str) -> str:
    return name.upper() if os.name == "nt" else name


def _text(name: str, value: Any) -> str:
    if isinstance(value, (list, tuple)) and all(isinstance(part, str) for part in value):
        return os.pathsep.join(value)
    if isinstance(value, bytes):
        return os.fsdecode(value)
    if not isinstance(value, str):
        raise TypeError(f"'env' values must be strings or lists of strings; {name!r} is {value!r}")
    return value
