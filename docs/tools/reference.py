"""Write those pages of docs/reference that tell what the code says of itself.

Run it when a plugin, a parameter or an option is added or changed::

    python docs/tools/reference.py

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
from ci_master.data.filters import NotABranch
from ci_master.data.recorded import accumulated
from ci_master.plugin_names import BUILT_IN, LATER
from ci_master.schedulers.parameters import BaseParameter
from ci_worker.cli.main import parser as worker_parser

HERE = Path(__file__).resolve().parents[1] / "reference"

MADE = ".. Made by docs/tools/reference.py: change the docstrings, then run it.\n\n"

#: Parameters of methods that catch wrong calls, and are no parameters of anybody's.
_NOT_FOR_PEOPLE = {"self", "cls", "shouldntBeSet", "reactor"}

#: What the docstrings of many classes have in common, said once.
_STEP_ARGUMENTS = {
    "name": "shown in the pages; at most 50 characters. Steps of one build with the same name get"
    " ``_1``, ``_2`` and so on.",
    "description": "what is shown while it runs: a string or a list of strings.",
    "descriptionDone": "what is shown when it is done.",
    "descriptionSuffix": "put after both.",
    "haltOnFailure": "when it fails, the steps after it are left out, except ``alwaysRun`` ones.",
    "flunkOnFailure": "when it fails, the build fails.",
    "flunkOnWarnings": "when it has warnings, the build fails.",
    "warnOnFailure": "when it fails, the build has warnings.",
    "warnOnWarnings": "when it has warnings, so has the build.",
    "alwaysRun": "run it though an earlier step ended the build.",
    "doStepIf": "False, or a function of the step that returns False: the step is skipped.",
    "hideStepIf": "True, or a function of (result, step): do not show it.",
    "locks": "list of lock accesses that it holds while it runs.",
    "workdir": "directory on the worker, below the builder's; default: that of the factory,"
    " ``build``.",
    "logEncoding": "of its output; default: ``c['logEncoding']``.",
    "updateBuildSummaryPolicy": "list of results at which the build's summary is made anew, or"
    " True or False.",
    "progressMetrics": "accepted, without effect.",
    "useProgress": "accepted, without effect.",
}
_SHELL_ARGUMENTS = {
    "command": "a list (the program and its arguments), or a string for the worker's shell.",
    "workdir": "as of every step.",
    "env": "added to the environment. A list is joined by the path separator; None removes.",
    "want_stdout": "keep standard output in the log.",
    "want_stderr": "keep standard error in the log.",
    "usePTY": "run it in a pseudo-terminal.",
    "logfiles": "dict of log name -> file on the worker that is followed while it runs; or a dict"
    " with ``filename`` and ``follow``.",
    "lazylogfiles": "make these logs only when there is something in them.",
    "timeout": "seconds without output after which it is killed; None: never.",
    "maxTime": "seconds after which it is killed; None: never.",
    "max_lines": "lines of output after which it is killed; None: any number.",
    "sigtermTime": "seconds between SIGTERM and SIGKILL; None: SIGKILL at once.",
    "logEnviron": "show the environment in the log.",
    "interruptSignal": "what a build that is stopped sends.",
    "initialStdin": "text for standard input.",
    "decodeRC": "dict of exit code -> result; others fail.",
}
_SCHEDULER_ARGUMENTS = {
    "name": "unique among schedulers.",
    "builderNames": "names of builders, or a renderable that gives them.",
    "properties": "of the builds; values may be renderables.",
    "codebases": "names of codebases, or a dict of name -> defaults (repository, branch,"
    " revision).",
    "priority": "of the requests: a number, or a function of builder names and changes.",
}
_BUILDER_ARGUMENTS = {
    "name": "unique; does not begin with an underscore.",
    "workername": "short for a list of one worker.",
    "workernames": "who may build it.",
    "builddir": "unique; default: the name, special characters replaced.",
    "workerbuilddir": "directory on the worker; default: ``builddir``.",
    "factory": "the ``BuildFactory`` with the steps.",
    "tags": "list of strings, to find it by.",
    "nextWorker": "function of (builder, workers, request) that chooses a worker.",
    "nextBuild": "function of (builder, requests) that chooses a request.",
    "locks": "lock accesses that its builds hold.",
    "env": "environment of its steps' commands.",
    "properties": "set on every build.",
    "collapseRequests": "True, False or a function of (master, builder, one request, the other);"
    " default: ``c['collapseRequests']``.",
    "description": "text for people.",
    "description_format": 'None for plain text, or ``"markdown"``.',
    "canStartBuild": "function of (builder, worker, request): whether it may start now.",
    "defaultProperties": "set on builds where nothing else sets them.",
    "project": "name of a project.",
    "do_build_if": "function of the build: whether it is run at all.",
    "requires": "dict: what a worker must have. It is kept and shown; it does not choose yet.",
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
        for other, more in re.findall(r"``(\w+)``: ([^;.]+)", meaning):
            said.setdefault(other, plain(" ".join(more.split())))
    return plain(text.strip()), said


def docs_of(found: Any) -> tuple[str, dict[str, str]]:
    """The same for a class, with what its bases say of parameters."""
    text, said = parts_of(inspect.getdoc(found) or "")
    if isinstance(found, type):
        for base in found.__mro__[1:]:
            for name, meaning in parts_of(inspect.cleandoc(base.__doc__ or ""))[1].items():
                said.setdefault(name, meaning)
    return text, said


def parameters_of(found: Any) -> dict[str, Any]:
    """name -> default of all parameters that we can see; required ones have Parameter.empty."""
    names: dict[str, Any] = {}
    if not isinstance(found, type):
        return dict(_of_function(found)) if callable(found) else {}
    for base in found.__mro__:
        if base in (BuildStep, ShellMixin, object) or not base.__module__.startswith("ci_master"):
            continue
        for method in ("__init__", "checkConfig"):
            if method in vars(base):
                for name, default in _of_function(vars(base)[method]):
                    names.setdefault(name, default)
        if not _takes_more(vars(base).get("__init__")):
            break
    settings = getattr(sys.modules[found.__module__], "_SETTINGS", None)
    if settings and issubclass(found, plugins.changes.GitPoller):
        for name, default in settings.items():
            names[name] = default
    return names


def _takes_more(function: Any) -> bool:
    if function is None:
        return True
    kinds = {one.kind for one in inspect.signature(function).parameters.values()}
    return bool(kinds & {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL})


def _of_function(function: Any) -> Iterator[tuple[str, Any]]:
    for one in inspect.signature(function).parameters.values():
        if one.kind in (one.VAR_KEYWORD, one.VAR_POSITIONAL) or one.name in _NOT_FOR_PEOPLE:
            continue
        if not one.name.startswith("_"):
            yield one.name, one.default


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


def entry(name: str, default: str, meaning: str) -> str:
    """One parameter as an item of a list."""
    text = f"* ``{name}``"
    if default:
        text += f" (default {default})"
    if meaning:
        text += f": {meaning}"
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


def described(called: str, found: Any, skip: Iterable[str] = ()) -> str:
    """The section of one plugin: what it is, and its parameters."""
    text, said = docs_of(found)
    lines = [title(called, "-"), text, ""]
    left_out = set(skip)
    if isinstance(found, list):
        return f"{title(called, '-')}\nThe names of the results, by number.\n"
    if isinstance(found, type) and issubclass(found, BaseParameter):
        left_out |= _field_arguments()
        lines += _own_attributes(found)
    like = _same_arguments_as(called, found)
    if like:
        lines.append(f"It takes the arguments of ``{like}``.")
    unsaid = []
    for name, default in parameters_of(found).items():
        if like or name in left_out:
            continue
        if not said.get(name) and default in (None, NotABranch):
            unsaid.append(f"``{name}``")
        else:
            lines.append(entry(name, shown_default(found, name, default), said.get(name, "")))
    if unsaid:
        which = "Also" if len(lines) > 3 else "Parameters"
        lines.append("\n".join(("", *_wrapped(f"{which}: {', '.join(unsaid)}."))))
    return "\n".join(lines).rstrip() + "\n"


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
            yield entry(name, shown_default(found, name, ...), said.get(name, ""))


def listed(arguments: dict[str, str], of: Any) -> str:
    """The arguments that many have in common."""
    return "\n".join(
        entry(name, "" if of is None else shown_default(of, name, ...), meaning)
        for name, meaning in arguments.items()
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
    fields = parts_of(inspect.getdoc(BaseParameter) or "")[1]
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
        "Every command ends with status 0 if it did what it was asked, and 1 otherwise: also for\n"
        "a wrong option. What went wrong is printed. ``--help`` and ``--version`` are options of\n"
        "each. ``ci-master --verbose COMMAND`` shows the traceback of whatever goes wrong.\n"
        "``ci-master sighup`` is another name of ``ci-master reconfig``.\n"
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
    """File name -> text."""
    return {
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


def main() -> int:
    """Write them."""
    for name, text in pages().items():
        tidy = re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n"
        (HERE / name).write_text(tidy, encoding="utf-8")
        print(f"wrote {(HERE / name).relative_to(HERE.parents[1])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
