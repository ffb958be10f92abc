"""What an exception of a configuration file means to its author, and how it is mended.

Python says little of some mistakes: ``KeyError: 'schedulers'``. Here are the sentences for those
that people make in ``master.cfg``; they are looked for only once a file has failed.
"""

import ast
import os
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping
from traceback import FrameSummary, format_exception_only
from types import FrameType, ModuleType, TracebackType
from typing import Any

from ci_common.faults import nearest
from ci_master.config.keys import KNOWN
from ci_master.plugin_names import BUILT_IN

__all__ = ["what_failed"]

#: So many names that there are instead are told.
_MOST_NAMES = 12


def what_failed(error: BaseException, own: FrameSummary | None) -> tuple[str, str]:
    """What went wrong, and how to mend it (may be empty).

    :param own: the author's line that did it; None if there is none: the file is no Python.
    """
    text = "".join(format_exception_only(error)).strip()
    for kind, explain in _EXPLANATIONS:
        if isinstance(error, kind):
            return explain(error, text, own)
    return text, ""


def _key(error: Any, text: str, own: FrameSummary | None) -> tuple[str, str]:
    key = error.args[0] if error.args else None
    written = _subscript(own, key)
    frame = _frame_of(error.__traceback__, own)
    if not isinstance(key, str) or written is None or frame is None:
        return (f"KeyError: there is no key {key!r}", "") if error.args else (text, "")
    base, owner = ast.unparse(written), _value(written, frame)
    if owner is os.environ:
        hint = f"write os.environ.get({key!r}, 'a default'), or set it where the master is started"
        return f"KeyError: the environment variable {key!r} is not set", hint
    what = f"KeyError: {base} has no key {key!r}"
    if not isinstance(owner, Mapping):
        return what, ""
    known = [name for name in owner if isinstance(name, str)]
    given = frame.f_globals.get("BuildmasterConfig", frame.f_globals.get("c"))
    if owner is given and key in KNOWN:
        value = "[]" if key in _LISTS else "{}"
        return (
            f"{what}: it is used here before anything is assigned to it",
            f"write {base}[{key!r}] = {value} above this line, or move this line below the one that"
            " does",
        )
    return what, _instead(key, known, "it has")


#: Keys of the configuration that are lists; people append to them.
_LISTS = frozenset(
    {"builders", "schedulers", "workers", "change_source", "services", "projects", "codebases",
     "secretsProviders", "configurators", "machines", "user_managers"}
)  # fmt: skip


def _name(error: Any, text: str, own: FrameSummary | None) -> tuple[str, str]:
    frame, name = _last_frame(error.__traceback__), error.name
    if isinstance(error, UnboundLocalError):
        name = text.partition("variable '")[2].partition("'")[0]
        return (
            text,
            f"assign to '{name}' before this line, or write 'global {name}' in the function",
        )
    if not name or frame is None:
        return text, ""
    near = nearest(name, {**frame.f_globals, **frame.f_locals})
    if near:
        return text, f"did you mean '{near}'?"
    kinds = [kind for kind, names in BUILT_IN.items() if name in names]
    if kinds:
        return text, f"write {kinds[0]}.{name}"
    if name in (*BUILT_IN, "www"):
        return text, "write this at the beginning: from ci_master.plugins import *"
    if name in sys.stdlib_module_names:
        return text, f"write this at the beginning: import {name}"
    if name == "c":
        return text, "write this at the beginning: c = BuildmasterConfig = {}"
    return text, f"'{name}' must be assigned or imported above this line; a text is put in quotes"


def _import(error: Any, text: str, own: FrameSummary | None) -> tuple[str, str]:
    module = sys.modules.get(error.name or "")
    wanted = getattr(error, "name_from", None) or _wanted_name(str(error))
    if not isinstance(error, ModuleNotFoundError) and wanted and module is not None:
        return text, _instead(wanted, _public(module), f"{error.name} has")
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return text, ""
    top = error.name.partition(".")[0]
    if top != error.name and top in sys.modules:
        return text, f"the package {top} is there, and has no such module in this version"
    near = nearest(top, sys.stdlib_module_names)
    meant = f"did you mean '{near}'? Or " if near else ""
    pip = shlex.join([sys.executable, "-m", "pip", "install", top])
    return text, (
        f"{meant}if it is a file of yours, put {top}.py beside master.cfg; if it is a package,"
        f" install it where the master runs: {pip}"
    )


def _wanted_name(text: str) -> str | None:
    """``y`` of "cannot import name 'y' from 'x'"."""
    begin = "cannot import name '"
    return text[len(begin) :].partition("'")[0] if text.startswith(begin) else None


def _attribute(error: Any, text: str, own: FrameSummary | None) -> tuple[str, str]:
    if not error.name or error.obj is None or "did you mean" in text:
        return text, ""
    if isinstance(error.obj, dict):
        return text, f"a dictionary is asked for a key in brackets: [{error.name!r}]"
    if isinstance(error.obj, list) and error.name in ("add", "push"):
        return text, "did you mean 'append'?"
    return text, _instead(error.name, _public(error.obj), "")


def _syntax(error: Any, text: str, own: FrameSummary | None) -> tuple[str, str]:
    what = f"{type(error).__name__}: {error.msg}"
    if isinstance(error, TabError):
        return what, "write all indentation with spaces"
    if isinstance(error, IndentationError):
        return what, (
            "lines that belong together begin with the same number of spaces, those of a block with"
            " more than the line before it, and those of no block with none"
        )
    if error.msg == "invalid syntax":
        return what, (
            "often the line before this one lacks a comma, a quote or a closing bracket at its end"
        )
    return what, ""


def _file(error: Any, text: str, own: FrameSummary | None) -> tuple[str, str]:
    name = error.filename
    if not isinstance(name, str):
        return text, ""
    what = f"{type(error).__name__}: cannot open {name!r}: {error.strerror}"
    if os.path.isabs(name) or not isinstance(error, FileNotFoundError):
        return what, ""
    return what, (
        "the name is looked for where the command was started; write"
        f" os.path.join(basedir, {name!r}) for a file of the master's directory"
    )


_EXPLANATIONS: tuple[
    tuple[type[BaseException], Callable[[Any, str, FrameSummary | None], tuple[str, str]]], ...
] = (
    (SyntaxError, _syntax),
    (KeyError, _key),
    (NameError, _name),
    (ImportError, _import),
    (AttributeError, _attribute),
    (FileNotFoundError, _file),
    (PermissionError, _file),
    (IsADirectoryError, _file),
)


def _instead(name: str, known: Iterable[str], it_has: str) -> str:
    names = sorted(set(known))
    near = nearest(name, names)
    if near:
        return f"did you mean '{near}'?"
    if not it_has:
        return ""
    if not names:
        return f"{it_has} none at all"
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"{it_has}: {', '.join(names[:_MOST_NAMES])}{more}"


def _public(thing: Any) -> list[str]:
    if isinstance(thing, ModuleType):
        names = [*vars(thing), *getattr(thing, "__all__", ())]
    else:
        names = dir(thing)
    return [name for name in names if not name.startswith("_")]


def _subscript(own: FrameSummary | None, key: Any) -> ast.expr | None:
    """``x`` of the ``x[key]`` in the author's line that asks for this key; None if unclear."""
    line = (own.line or "").strip() if own is not None else ""
    for candidate in (line, line.rstrip(":") + ": pass", line.rstrip("([{,")):
        try:
            tree = ast.parse(candidate)
        except (SyntaxError, ValueError):
            continue
        found = [
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Subscript)
            and isinstance(node.slice, ast.Constant)
            and node.slice.value == key
        ]
        if len(found) == 1:
            return found[0]
    return None


def _value(written: ast.expr, frame: FrameType) -> Any:
    """What a name or a chain of names stands for; nothing is called or computed."""
    if isinstance(written, ast.Name):
        return frame.f_locals.get(written.id, frame.f_globals.get(written.id))
    if isinstance(written, ast.Attribute) and isinstance(written.value, ast.Name):
        module = _value(written.value, frame)
        return vars(module).get(written.attr) if isinstance(module, ModuleType) else None
    if isinstance(written, ast.Subscript) and isinstance(written.slice, ast.Constant):
        owner = _value(written.value, frame)
        return owner.get(written.slice.value) if type(owner) is dict else None
    return None


def _frame_of(trace: TracebackType | None, own: FrameSummary | None) -> FrameType | None:
    """The frame that ran the author's line last."""
    found = None
    while trace is not None and own is not None:
        if trace.tb_frame.f_code.co_filename == own.filename and trace.tb_lineno == own.lineno:
            found = trace.tb_frame
        trace = trace.tb_next
    return found


def _last_frame(trace: TracebackType | None) -> FrameType | None:
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return None if trace is None else trace.tb_frame
