"""Where in master.cfg something was written, for the faults that tell of it."""

import ast
from functools import cached_property
from pathlib import Path
from typing import Any


class KeyPlaces:
    """The lines of a configuration file that set a key of ``BuildmasterConfig``.

    The file is parsed when the first fault asks: a configuration without faults pays nothing.
    """

    def __init__(self, path: Path, source: bytes) -> None:
        self._path = path
        self._source = source

    def of(self, key: str) -> str:
        """``master.cfg:12`` where the key was last set, or the file's name if that is unclear."""
        line = self._lines.get(key)
        return f"{self._path.name}:{line}" if line is not None else self._path.name

    def source_line(self, number: int) -> str:
        """The text of a line, without its indentation; empty if there is none."""
        lines = self._source.decode(errors="replace").splitlines()
        return lines[number - 1].strip() if 0 < number <= len(lines) else ""

    @cached_property
    def _lines(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for node in ast.walk(ast.parse(self._source)):
            for key, line in _keys_set_by(node):
                found[key] = max(line, found.get(key, 0))
        return found


def _keys_set_by(node: ast.AST) -> list[tuple[str, int]]:
    if isinstance(node, ast.Assign):
        subscripts = [_key(target) for target in node.targets]
        names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        found = [(key, node.lineno) for key in subscripts if key]
        if "BuildmasterConfig" in names or "c" in names:
            found += _keys_of_literal(node.value)
        return found
    if isinstance(node, ast.AugAssign):
        key = _key(node.target)
        return [(key, node.lineno)] if key else []
    return []


def _key(target: ast.expr) -> str | None:
    """The key in ``c['key']``; nested subscripts (``c['www']['port']``) count for the outer."""
    while isinstance(target, ast.Subscript):
        if isinstance(target.value, ast.Name):
            index = target.slice
            if isinstance(index, ast.Constant) and isinstance(index.value, str):
                return index.value
            return None
        target = target.value
    return None


def _keys_of_literal(value: ast.expr) -> list[tuple[str, int]]:
    if isinstance(value, ast.Dict):
        return [
            (key.value, key.lineno)
            for key in value.keys
            if isinstance(key, ast.Constant) and isinstance(key.value, str)
        ]
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "dict":
        return [(word.arg, word.lineno) for word in value.keywords if word.arg]
    return []


def place_of(thing: Any, kind: str = "") -> str:
    """``master.cfg:42, builder 'linux'`` for something that a configuration made."""
    where = getattr(thing, "config_where", "")
    name = getattr(thing, "name", None)
    parts = [where] if where else []
    if kind and isinstance(name, str):
        parts.append(f"{kind} '{name}'")
    return ", ".join(parts)


def shown(value: Any) -> str:
    """A value as a fault shows it: short, with its type."""
    text = repr(value)
    if len(text) > 60:
        text = text[:57] + "..."
    return f"{text} ({type(value).__name__})"
