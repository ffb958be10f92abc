"""Write those pages of docs/reference that tell what the code says of itself.

Run it when a plugin, a parameter or an option is added or changed::

    make docs

or ``python docs/tools/reference.py``. A test compares the files with what this makes.

The pages of keys (``configuration.rst``) and the overview (``index.rst``) are written by hand.
"""

import argparse
import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from ci_master import plugins
from ci_master.builds.buildstep import BuildStep, ShellMixin
from ci_master.cli.main import COMMANDS, CommandParser
from ci_master.data.filters import ChangeFilter, SourceStampFilter
from ci_master.data.recorded import accumulated
from ci_master.plugin_names import BUILT_IN, LATER
from ci_master.schedulers.parameters import BaseParameter
from ci_master.steps.source.gitauth import GitAccess
from ci_worker.cli.main import parser as worker_parser

HERE = Path(__file__).resolve().parents[1] / "reference"

MADE = ".. Made by docs/tools/reference.py: change the docstrings, then run it.\n\n"

#: Parameters of methods that catch wrong calls, and are no parameters of anybody's.
_NOT_FOR_PEOPLE = {"self", "cls", "shouldntBeSet", "reactor"}

#: What the docstrings of many classes have in common, said once: type and meaning.
_STEP_ARGUMENTS = {
    "name": (
        "string or renderable",
        "the name in the pages, at most 50 characters. Steps of one build with the same name get"
        " ``_1``, ``_2`` and so on.",
    ),
    "description": ("string or list of strings", "the text shown while the step runs."),
    "descriptionDone": ("string or list of strings", "the text shown when the step has ended."),
    "descriptionSuffix": ("string or list of strings", "a text that is put behind both."),
    "haltOnFailure": (
        "True or False",
        "if the step fails, leave out the steps after it, except those with ``alwaysRun``.",
    ),
    "flunkOnFailure": ("True or False", "if the step fails, the build fails."),
    "flunkOnWarnings": ("True or False", "if the step ends with warnings, the build fails."),
    "warnOnFailure": ("True or False", "if the step fails, the build ends with warnings."),
    "warnOnWarnings": (
        "True or False",
        "if the step ends with warnings, the build ends with warnings.",
    ),
    "alwaysRun": ("True or False", "run the step even if an earlier step ended the build."),
    "doStepIf": (
        "True, False, function or renderable",
        "whether the step runs; a function gets the step. If not, the step is skipped.",
    ),
    "hideStepIf": (
        "True, False, function or renderable",
        "whether the pages leave the step out; a function gets (result, step).",
    ),
    "locks": ("list", "the lock accesses that the step holds while it runs."),
    "workdir": (
        "string or renderable",
        "the directory on the worker in which the step works, below that of the builder. Without"
        " one: that of the factory, ``build``.",
    ),
    "logEncoding": (
        "string or None",
        "the encoding of the output; None: that of ``c['logEncoding']``.",
    ),
    "updateBuildSummaryPolicy": (
        "list, True, False or None",
        "the results of the step at which its text becomes part of the build's text; True: all,"
        " False: none, None: those that the flags above make matter.",
    ),
    "progressMetrics": ("list", "accepted, and without effect."),
    "useProgress": ("True or False", "accepted, and without effect."),
}
_SHELL_ARGUMENTS = {
    "command": (
        "list, string or renderable",
        "the program and its arguments as a list; or one string for the worker's shell.",
    ),
    "workdir": ("string or renderable", "the directory in which the command runs, as above."),
    "env": (
        "dictionary or renderable",
        "variables that are added to the environment. A list is joined by the path separator; None"
        " removes a variable.",
    ),
    "want_stdout": ("True or False", "keep standard output in the log."),
    "want_stderr": ("True or False", "keep standard error in the log."),
    "usePTY": ("True, False or None", "run the command in a pseudo-terminal; None: no."),
    "logfiles": (
        "dictionary",
        "files on the worker that are followed while the command runs, each in a log of its own:"
        " name of the log to file, or to a dictionary with ``filename`` and ``follow``.",
    ),
    "lazylogfiles": ("True or False", "make these logs only when there is something in them."),
    "timeout": (
        "number or None",
        "seconds without output after which the command is killed; None: never.",
    ),
    "maxTime": ("number or None", "seconds after which the command is killed; None: never."),
    "max_lines": (
        "whole number or None",
        "lines of output after which the command is killed; None: never.",
    ),
    "sigtermTime": (
        "number or None",
        "seconds between SIGTERM and SIGKILL when the command is killed; None: SIGKILL at once.",
    ),
    "logEnviron": ("True or False", "write the environment to the log."),
    "interruptSignal": (
        "string",
        "the signal, without SIG, that the command gets when the build is stopped.",
    ),
    "initialStdin": ("string or None", "text for the standard input of the command."),
    "decodeRC": (
        "dictionary",
        "which result an exit code stands for; an exit code that is not in it is a failure.",
    ),
}
_SCHEDULER_ARGUMENTS = {
    "name": ("string", "the name, unique among schedulers."),
    "builderNames": (
        "list of strings or renderable",
        "the names of the builders that are started.",
    ),
    "properties": (
        "dictionary or None",
        "properties of the builds; values may be renderables.",
    ),
    "codebases": (
        "list or dictionary",
        "names of the codebases that are built; or a dictionary of name to defaults (repository,"
        " branch, revision).",
    ),
    "priority": (
        "whole number, function or None",
        "priority of the build requests: higher ones are built first, None stands for 0. A function"
        " gets (names of builders, changes by codebase).",
    ),
}
_BUILDER_ARGUMENTS = {
    "name": ("string", "the name, unique among builders; it does not begin with an underscore."),
    "workername": ("string", "short for ``workernames`` with one name."),
    "workernames": ("list of strings", "the workers that may run its builds."),
    "builddir": (
        "string",
        "name of its directory, unique; default: the name with special characters replaced.",
    ),
    "workerbuilddir": ("string", "its directory on the worker; default: ``builddir``."),
    "factory": ("util.BuildFactory", "the steps of its builds."),
    "tags": ("list of strings", "words by which the pages find it."),
    "nextWorker": (
        "function",
        "chooses a worker; gets (builder, list of workers that are free, request).",
    ),
    "nextBuild": (
        "function",
        "chooses the request that is built next; gets (builder, list of requests).",
    ),
    "locks": ("list or renderable", "the lock accesses that each of its builds holds."),
    "env": ("dictionary", "environment of the commands of its steps."),
    "properties": ("dictionary", "properties that each of its builds gets."),
    "collapseRequests": (
        "True, False or function",
        "whether a new request ends older ones that wait; a function gets (master, builder, one"
        " request, the other). Default: that of ``c['collapseRequests']``.",
    ),
    "description": ("string", "a text for people."),
    "description_format": ("string or None", 'None for plain text, or ``"markdown"``.'),
    "canStartBuild": (
        "function",
        "whether a build may start now; gets (builder, worker, request).",
    ),
    "defaultProperties": (
        "dictionary",
        "properties that its builds get where nothing else sets them.",
    ),
    "project": ("string", "the name of its project."),
    "do_build_if": ("function", "whether a build is run at all; gets the build."),
    "requires": (
        "dictionary",
        "what a worker must have to run its builds: name -> value, list of values, comparisons"
        ' such as ``">=4"``, or function of the value.',
    ),
}


def plain(text: str) -> str:
    """Docstring markup without roles, which plain reStructuredText does not know."""
    text = re.sub(r":\w+:`~?(?:[\w.]*\.)?(\w+)`", r"``\1``", text)
    return re.sub(r"(?<!\w)\*\*?(kw|args|kwargs)\b", r"\1", text)


def parts_of(doc: str) -> tuple[str, dict[str, str]]:
    """The text before the fields of a docstring, and what it says of each parameter."""
    text, _, rest = doc.partition("\n:")
    fields = re.findall(
        r":param ([\w, ]+):\s*(.*?)(?=\n:|\n\n|\Z)", ":" + rest if rest else "", re.DOTALL
    )
    said = {}
    for name, meaning in fields:
        said[name] = plain(" ".join(meaning.split()))
    return plain(text.strip()), said


def docs_of(found: Any) -> tuple[str, dict[str, str]]:
    """The same for a class, with what its bases say of parameters."""
    text, said = parts_of(inspect.getdoc(found) or "")
    if isinstance(found, type):
        for base in found.__mro__[1:]:
            for name, meaning in parts_of(inspect.cleandoc(base.__doc__ or ""))[1].items():
                said.setdefault(name, meaning)
    return text, said


def types_of(found: Any) -> dict[str, str]:
    """What the docstrings of a class and of its bases say of the types of parameters."""
    told: dict[str, str] = {}
    for base in found.__mro__ if isinstance(found, type) else [found]:
        doc = inspect.cleandoc(base.__doc__ or "")
        for names, kind in re.findall(r":type ([\w, ]+):\s*(.*?)(?=\n:|\n\n|\Z)", doc, re.DOTALL):
            for name in names.split(","):
                told.setdefault(name.strip(), plain(" ".join(kind.split())))
    return told


#: Annotations, and how a person calls them.
_KINDS = {
    "bool": "True or False",
    "bool | int": "True or False",
    "int": "whole number",
    "float": "number",
    "str": "string",
    "str | bytes": "string",
    "Sequence[str]": "list of strings",
    "list[str]": "list of strings",
    "list[Any]": "list",
    "tuple[str, ...]": "list of strings",
    "dict[str, str]": "dictionary",
    "Mapping[str, Any]": "dictionary",
    "Mapping[str, int]": "dictionary",
    "None": "None",
}


def kind_of(annotation: Any, default: Any) -> str:
    """The type of a parameter, from its annotation or else its default; empty if neither tells."""
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    if not isinstance(annotation, str | type):
        text = str(annotation)
    text = text.replace("collections.abc.", "").replace("typing.", "")
    optional = text.endswith(" | None")
    text = text.removesuffix(" | None")
    kind = "function" if text.startswith("Callable[") else _KINDS.get(text, "")
    if kind:
        return f"{kind} or None" if optional else kind
    for python_type, kind in (
        (bool, "True or False"),
        (int, "whole number"),
        (float, "number"),
        (str, "string"),
        (dict, "dictionary"),
        (list | tuple, "list"),
    ):
        if isinstance(default, python_type):
            return kind
    return ""


def parameters_of(found: Any) -> dict[str, Any]:
    """name -> default of all parameters that we can see; required ones have Parameter.empty."""
    return {name: default for name, (default, _) in all_parameters_of(found).items()}


def all_parameters_of(found: Any) -> dict[str, tuple[Any, Any]]:
    """name -> (default, annotation) of all parameters that we can see."""
    names: dict[str, tuple[Any, Any]] = {}
    if not isinstance(found, type):
        if not callable(found):
            return {}
        return {name: (default, annotation) for name, default, annotation in _of_function(found)}
    for base in found.__mro__:
        if base in (BuildStep, ShellMixin, object) or not base.__module__.startswith("ci_master"):
            continue
        for method in ("__init__", "checkConfig"):
            if method in vars(base):
                for name, default, annotation in _of_function(vars(base)[method]):
                    names.setdefault(name, (default, annotation))
        if not _takes_more(vars(base).get("__init__")):
            break
    settings = getattr(sys.modules.get(found.__module__), "_SETTINGS", None)
    if settings and issubclass(found, plugins.changes.GitPoller):
        for name, default in settings.items():
            names[name] = (default, inspect.Parameter.empty)
    return names


def _takes_more(function: Any) -> bool:
    if function is None:
        return True
    kinds = {one.kind for one in inspect.signature(function).parameters.values()}
    return bool(kinds & {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL})


def _of_function(function: Any) -> Iterator[tuple[str, Any, Any]]:
    for one in inspect.signature(function).parameters.values():
        if one.kind in (one.VAR_KEYWORD, one.VAR_POSITIONAL) or one.name in _NOT_FOR_PEOPLE:
            continue
        if not one.name.startswith("_"):
            yield one.name, one.default, one.annotation


def shown_default(found: Any, name: str, default: Any) -> str:
    """The default as a person writes it; empty if there is none, or none that can be written."""
    if default is inspect.Parameter.empty:
        return ""
    if default is ...:
        default = getattr(found, name, None)
    if callable(default) or isinstance(default, property) or repr(default) == "NotABranch":
        return ""
    if " at 0x" in repr(default) or "<class" in repr(default):
        return ""
    return f"``{default!r}``"


def entry(name: str, kind: str, default: str, meaning: str) -> str:
    """One parameter as an item of a list."""
    told = "; ".join(filter(None, (kind, default and f"default {default}")))
    text = f"* ``{name}`` ({told}): {meaning}" if told else f"* ``{name}``: {meaning}"
    return "\n  ".join(_wrapped(text))


def _wrapped(text: str, width: int = 96) -> Iterator[str]:
    """Lines that break at spaces, but never within ``literals``."""
    line = ""
    for word in re.findall(r"(?:``.*?``|\S)+", text):
        if line and len(line) + len(word) + 1 > width:
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
    yield line


def title(text: str, mark: str) -> str:
    """A heading."""
    return f"{text}\n{mark * len(text)}\n"


#: Parameters that a base class has, and these classes do not take.
_NOT_TAKEN = {
    "steps.JSONStringDownload": {"s"},
    "steps.JSONPropertiesDownload": {"s"},
}


class UndocumentedError(Exception):
    """A name without a sentence that says what it is for, or a parameter without a type."""


def described(called: str, found: Any, skip: Iterable[str] = ()) -> str:
    """The section of one plugin: what it is, and its parameters."""
    text, _ = docs_of(found)
    if not text:
        raise UndocumentedError(f"{called} has no docstring")
    lines = [title(called, "-"), text, ""]
    left_out = {*skip, *_NOT_TAKEN.get(called, ())}
    if isinstance(found, list):
        return f"{title(called, '-')}\nThe names of the results, by number.\n"
    if isinstance(found, type) and issubclass(found, BaseParameter):
        left_out |= _field_arguments()
        lines += _own_attributes(found)
    like = _same_arguments_as(called, found)
    if like:
        lines.append(f"It takes the arguments of ``{like}``.")
    else:
        lines += entries_of(called, found, left_out)
    return "\n".join(lines).rstrip() + "\n"


def entries_of(called: str, found: Any, left_out: set[str]) -> Iterator[str]:
    """The items of a plugin's parameters.

    :raises UndocumentedError: for one without a sentence or a type.
    """
    _, said = docs_of(found)
    kinds = types_of(found)
    _, said_of_access = docs_of(GitAccess)
    kinds_of_access = types_of(GitAccess)
    for name, (default, annotation) in all_parameters_of(found).items():
        if name in left_out:
            continue
        of_filter = _of_filter(found, name)
        meaning = of_filter[1] or said.get(name) or said_of_access.get(name, "")
        kind = of_filter[0] or kinds.get(name) or kind_of(annotation, default)
        kind = kind or kinds_of_access.get(name, "")
        if not meaning or not kind:
            raise UndocumentedError(f"{called}: say of {name!r} what it does, and its type")
        yield entry(name, kind, shown_default(found, name, default), meaning)


_CONDITIONS = {
    "": ("string, list or None", "accept only {of} that have this {field}, or one of these."),
    "_eq": ("string, list or None", "accept only {of} that have this {field}, or one of these."),
    "_not_eq": ("string, list or None", "accept only {of} that have another {field}."),
    "_re": (
        "string, pattern or list",
        "accept only {of} whose {field} matches this regular expression from its start, or one of"
        " these.",
    ),
    "_not_re": (
        "string, pattern or list",
        "accept only {of} whose {field} does not match this regular expression.",
    ),
    "_fn": ("function or None", "gets the {field}, and returns True to accept it."),
}


def _of_filter(found: Any, name: str) -> tuple[str, str]:
    """Type and meaning of an argument of a filter; empty texts for anything else."""
    if not isinstance(found, type) or not issubclass(found, ChangeFilter | SourceStampFilter):
        return "", ""
    of = "changes" if issubclass(found, ChangeFilter) else "source stamps"
    if name == "filter_fn":
        return "function or None", f"gets one of the {of}, and returns True to accept it."
    for ending, (kind, meaning) in sorted(_CONDITIONS.items(), key=lambda one: -len(one[0])):
        if name.endswith(ending):
            field = name.removesuffix(ending)
            if field == "property":
                kind, field = "dictionary or None", "value of each property that it names"
                meaning = meaning.replace("this {field}, or one of these", "this {field}")
            field = field.replace("eventtype", "type of event")
            return kind, meaning.format(of=of, field=field)
    return "", ""


def _same_arguments_as(called: str, found: Any) -> str:
    """The plugin of the same kind whose arguments it takes over unchanged; empty if none."""
    kind = called.partition(".")[0]
    if not isinstance(found, type) or issubclass(found, BaseParameter):
        return ""
    for base in found.__mro__:
        if base is not found:
            for name in BUILT_IN.get(kind, {}):
                if base is not BuildStep and getattr(plugins, kind).get(name) is base:
                    return f"{kind}.{name}"
        if {"__init__", "checkConfig", "_settings"} & vars(base).keys():
            return ""
    return ""


def _field_arguments() -> set[str]:
    """The arguments that all fields of a form have."""
    return {*parts_of(inspect.getdoc(BaseParameter) or "")[1], "fields"}


def _own_attributes(found: type[BaseParameter]) -> Iterator[str]:
    """What a kind of field has beyond that: attributes that are told to the form."""
    said = docs_of(found)[1]
    for name in accumulated(found, "spec_attributes"):
        if name not in {*_field_arguments(), "fullName", "type"} and not name.startswith("_"):
            default = getattr(found, name, None)
            kind = types_of(found).get(name) or kind_of(inspect.Parameter.empty, default)
            if not kind or not said.get(name):
                raise UndocumentedError(f"{found.__name__}: say what {name!r} does, and its type")
            yield entry(name, kind, shown_default(found, name, ...), said[name])


def listed(arguments: dict[str, tuple[str, str]], of: Any) -> str:
    """The arguments that many have in common."""
    return "\n".join(
        entry(name, kind, "" if of is None else shown_default(of, name, ...), meaning)
        for name, (kind, meaning) in arguments.items()
    )


def steps_page() -> str:
    """docs/reference/steps.rst."""
    out = [MADE, title("Steps", "="), "All arguments are given by keyword. ::\n"]
    out.append("    from ci_master.plugins import steps\n")
    out += [title("Arguments of every step", "-"), listed(_STEP_ARGUMENTS, BuildStep), ""]
    out += [title("Arguments of every step that runs a command", "-")]
    out += [listed(_SHELL_ARGUMENTS, ShellMixin), ""]
    for name in BUILT_IN["steps"]:
        found = plugins.steps.get(name)
        is_shell = issubclass(found, ShellMixin)
        common = {*_STEP_ARGUMENTS, *(_SHELL_ARGUMENTS if is_shell else ())}
        out.append(described(f"steps.{name}", found, skip=common))
        if is_shell and found is not plugins.steps.ShellCommand:
            out.append("It takes the arguments of steps that run a command.\n")
        out.append(_differs(found, is_shell))
    return "\n".join(one for one in out if one is not None)


def _differs(found: Any, is_shell: bool) -> str:
    """Defaults of common arguments that this step has otherwise."""
    differing = []
    for name in {**_STEP_ARGUMENTS, **(_SHELL_ARGUMENTS if is_shell else {})}:
        usual = getattr(ShellMixin if name in _SHELL_ARGUMENTS else BuildStep, name, None)
        own = getattr(found, name, usual)
        if own != usual and not isinstance(own, property) and name not in ("description",):
            differing.append(f"``{name}={own!r}``")
    return "\n".join(_wrapped(f"Here {', '.join(differing)}.")) + "\n" if differing else ""


def schedulers_page() -> str:
    """docs/reference/schedulers.rst."""
    out = [MADE, title("Schedulers", "="), "::\n", "    from ci_master.plugins import schedulers\n"]
    out += [title("Arguments of every scheduler", "-"), listed(_SCHEDULER_ARGUMENTS, None), ""]
    for name in BUILT_IN["schedulers"]:
        common = ("name", "builderNames") if name == "ForceScheduler" else _SCHEDULER_ARGUMENTS
        out.append(described(f"schedulers.{name}", plugins.schedulers.get(name), common))
    return "\n".join(out)


def kinds_page(head: str, kinds: Iterable[str], text: str) -> str:
    """A page with all plugins of some kinds."""
    out = [MADE, title(head, "="), text + "\n"]
    for kind in kinds:
        for name in BUILT_IN.get(kind, {}):
            found = getattr(plugins, kind).get(name)
            if isinstance(found, int):
                continue
            if name == "BuilderConfig":
                out += [title("util.BuilderConfig", "-"), "What is built, how, and by whom.\n"]
                out += [listed(_BUILDER_ARGUMENTS, None), ""]
            else:
                out.append(described(f"{kind}.{name}", found))
    return "\n".join(out)


def util_page() -> str:
    """docs/reference/util.rst."""
    results = [name for name in BUILT_IN["util"] if isinstance(plugins.util.get(name), int)]
    codes = sorted(results, key=plugins.util.get)
    table = "\n".join(f"* ``util.{name}`` = {plugins.util.get(name)}" for name in codes)
    page = kinds_page("util", ["util"], "::\n\n    from ci_master.plugins import util")
    kinds = types_of(BaseParameter)
    said = parts_of(inspect.getdoc(BaseParameter) or "")[1]
    fields = {name: (kinds[name], meaning) for name, meaning in said.items()}
    return "\n".join(
        [
            page,
            title("Arguments of every field of a form", "-"),
            "Those are the classes whose names end in ``Parameter``, and ``ParameterGroup``.\n",
            listed(fields, None),
            "",
            title("Results", "-"),
            table,
        ]
    )


_LATER_NOTES = {
    "webhooks": "These are classes to be imported. The dialect ``base`` is there, by its name in"
    " ``c['www']['change_hook_dialects']``; a configuration that names one of the others is warned,"
    " and requests of it are refused.",
    "www": "These are plugins of Buildbot's pages. The pages need none of them: badges and the"
    " waterfall are there, and ``c['www']['plugins']`` has no effect.",
}


def later_page() -> str:
    """docs/reference/later.rst: the names that configurations know, and that are not there."""
    out = [MADE, title("Not available yet", "=")]
    out.append(
        "These names are known from Buildbot. A configuration that uses one is told so, with the\n"
        "line, by ``ci-master checkconfig``.\n"
    )
    for kind, names in LATER.items():
        if names.split():
            words = " ".join(f"``{name}``" for name in names.split())
            out += [title(kind, "-"), "\n".join(_wrapped(words)), ""]
            if kind in _LATER_NOTES:
                out += ["\n".join(_wrapped(_LATER_NOTES[kind])), ""]
    return "\n".join(out)


def master_parsers() -> Iterator[tuple[str, str, argparse.ArgumentParser]]:
    """Command, summary and parser of each subcommand of ci-master."""
    for name, (module_name, summary) in COMMANDS.items():
        module: Any = import_module(f"ci_master.cli.{module_name}")
        parser = CommandParser(prog=f"ci-master {name}", description=module.__doc__)
        module.add_arguments(parser)
        yield f"ci-master {name}", summary, parser


def worker_parsers() -> Iterator[tuple[str, str, argparse.ArgumentParser]]:
    """The same of ci-worker."""
    choices: Any = next(a for a in worker_parser()._actions if isinstance(a.choices, dict))
    summaries = {one.dest: one.help or "" for one in choices._choices_actions}
    for name, parser in choices.choices.items():
        yield f"ci-worker {name}", summaries[name], parser


def commands_page() -> str:
    """docs/reference/commands.rst."""
    out = [MADE, title("Commands", "=")]
    out.append(
        "``ci-master`` makes and controls masters, ``ci-worker`` workers. Every command ends with\n"
        "status 0 if it did what it was asked, and with 1 if not, also for a wrong option; it\n"
        "prints what went wrong. Each command has the options ``--help`` and ``--version``.\n"
        "``ci-master --verbose COMMAND`` shows the traceback of an error. ``ci-master sighup`` is\n"
        "another name of ``ci-master reconfig``.\n"
    )
    for called, summary, parser in [*master_parsers(), *worker_parsers()]:
        out += [title(called, "-"), f"{summary[:1].upper()}{summary[1:]}.\n"]
        positions = [a for a in parser._actions if not a.option_strings]
        usage = " ".join(_position(action) for action in positions)
        out.append(f"``{called} [options] {usage}``\n".replace(" ``", "``"))
        if parser.description:
            out.append(plain(parser.description.strip().partition("\n\n")[2]) + "\n")
        for action in parser._actions:
            if action.help != argparse.SUPPRESS and action.dest not in ("help", "version"):
                out.append(_option(action))
        out.append("")
    return "\n".join(out)


def _position(action: argparse.Action) -> str:
    name = str(action.metavar or action.dest)
    return f"[{name}]" if action.nargs in ("?", "*") else name


def _option(action: argparse.Action) -> str:
    value = "" if action.nargs == 0 else f" {action.metavar or action.dest.upper()}"
    names = ", ".join(f"``{option}{value}``" for option in action.option_strings)
    meaning = (action.help or "").replace("%(default)s", str(action.default))
    text = re.sub(r"\((?=[\d]|sqlite|utf8|master\.cfg|pb\)|None)", "(default ", meaning)
    return "\n  ".join(_wrapped(f"* {names or f'``{action.metavar or action.dest}``'}: {text}"))


def pages() -> dict[str, str]:
    """File name -> text, exactly as it stands in docs/reference."""
    made = {
        "commands.rst": commands_page(),
        "steps.rst": steps_page(),
        "schedulers.rst": schedulers_page(),
        "changes.rst": kinds_page(
            "Change sources", ["changes"], "::\n\n    from ci_master.plugins import changes"
        ),
        "workers.rst": kinds_page(
            "Workers and secrets",
            ["worker", "secrets"],
            "::\n\n    from ci_master.plugins import secrets, worker",
        ),
        "reporters.rst": kinds_page(
            "Reporters and other plugins",
            ["reporters", "machine", "statistics", "webhooks", "www"],
            "What is not listed here is not there yet: see `what is missing <later.rst>`_.",
        ),
        "util.rst": util_page(),
        "later.rst": later_page(),
    }
    return {name: re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n" for name, text in made.items()}


def main() -> int:
    """Write them."""
    for name, text in pages().items():
        (HERE / name).write_text(text, encoding="utf-8")
        print(f"wrote {(HERE / name).relative_to(HERE.parents[1])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
