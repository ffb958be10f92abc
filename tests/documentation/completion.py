"""Make a whole master.cfg of the Python examples of a section of the manual.

An example is a piece of a configuration. What is not in it and has to be there is added here:

* before it: ``from ci_master.plugins import *`` and ``c = BuildmasterConfig = {}``, with empty
  lists under the usual keys;
* in it: an expression that stands alone is put where it belongs: steps into a builder, builders,
  schedulers, change sources, workers and reporters under their keys;
* after it: the builders that its schedulers name, a scheduler for builders that none names, the
  workers and projects that its builders name, and a port.

All examples of one section make one configuration, in order. Names of earlier sections of the page
are known, but what they put into the configuration is not part of it.
"""

import ast
from pathlib import Path
from typing import Any

from tests.documentation.blocks import Block

_BEFORE = """\
from tests.documentation.completion import begin, complete, shown as _shown
from ci_master.plugins import *
c = BuildmasterConfig = begin()
"""
_BETWEEN = "c = BuildmasterConfig = begin()\n"
_AFTER = "complete(BuildmasterConfig)\n"

_LISTS = ("builders", "schedulers", "workers", "change_source", "services", "secretsProviders")
_alone: list[Any] = []


def whole_configuration(earlier: list[Block], section: list[Block]) -> str:
    """The text of a master.cfg with the examples of a section in it."""
    parts = [_BEFORE]
    for block in earlier:
        parts.append(_with_lone_expressions(block))
    parts.append(_BETWEEN)
    for block in section:
        parts.append(_with_lone_expressions(block))
    parts.append(_AFTER)
    return "".join(parts)


def _with_lone_expressions(block: Block) -> str:
    tree = ast.parse(block.text)
    for statement in tree.body:
        if isinstance(statement, ast.Expr) and not _is_call_of_method(statement.value):
            statement.value = ast.Call(ast.Name("_shown", ast.Load()), [statement.value], [])
    return f"# {block.where}\n{ast.unparse(ast.fix_missing_locations(tree))}\n"


def _is_call_of_method(value: ast.expr) -> bool:
    """Whether it is like ``recipe.addStep(...)``, and not like ``steps.Git(...)``."""
    return (
        isinstance(value, ast.Call)
        and isinstance(value.func, ast.Attribute)
        and value.func.attr[:1].islower()
    )


def begin() -> dict[str, Any]:
    """The configuration before an example."""
    _alone.clear()
    return {name: [] for name in _LISTS} | {"www": {"port": "tcp:8010:interface=127.0.0.1"}}


def shown(value: Any) -> None:
    """Keep what stood alone."""
    _alone.append(value)


def complete(config: dict[str, Any]) -> None:
    """Add what an example leaves out."""
    from ci_master.builds.builderconfig import BuilderConfig
    from ci_master.builds.buildstep import BuildStep
    from ci_master.builds.factory import BuildFactory
    from ci_master.builds.project import Project
    from ci_master.changes.base import ChangeSource
    from ci_master.reporters.base import ReporterBase
    from ci_master.schedulers.base import ReconfigurableBaseScheduler
    from ci_master.schedulers.forcesched import ForceScheduler
    from ci_master.workers.config import AbstractWorker, Worker

    places = {
        BuilderConfig: "builders",
        ReconfigurableBaseScheduler: "schedulers",
        ChangeSource: "change_source",
        AbstractWorker: "workers",
        ReporterBase: "services",
    }
    steps = []
    for value in _alone:
        if isinstance(value, BuildStep):
            steps.append(value)
        for kind, key in places.items():
            if isinstance(value, kind):
                config[key].append(value)
    for key in _LISTS:
        config.setdefault(key, [])
    builders, schedulers, workers = config["builders"], config["schedulers"], config["workers"]
    if steps:
        builders.append(BuilderConfig(name="steps", workernames=["w"], factory=BuildFactory(steps)))
    named = {
        name
        for scheduler in schedulers
        if isinstance(names := scheduler.recorded_kwargs.get("builderNames"), list)
        for name in names
    }
    there = {builder.name for builder in builders}
    for name in sorted(named - there):
        builders.append(BuilderConfig(name=name, workernames=["w"], factory=BuildFactory()))
    unnamed = sorted({builder.name for builder in builders} - named)
    if unnamed or not builders:
        if not builders:
            builders.append(BuilderConfig(name="b", workernames=["w"], factory=BuildFactory()))
        schedulers.append(ForceScheduler(name="all", builderNames=unnamed or ["b"]))
    wanted = {name for builder in builders for name in builder.workernames}
    known = {worker.name for worker in workers}
    workers += [Worker(name, "password") for name in sorted((wanted or {"w"}) - known)]
    projects = {builder.project for builder in builders if builder.project}
    known = {project.name for project in config.get("projects", [])}
    if projects - known:
        config["projects"] = [*config.get("projects", []), *map(Project, sorted(projects - known))]
    config.setdefault("protocols", {"pb": {"port": "tcp:9989:interface=127.0.0.1"}})


def sections_of(blocks: list[Block]) -> list[tuple[list[Block], list[Block]]]:
    """(earlier examples, examples of the section) for each section that has Python examples."""
    numbers = sorted({block.section for block in blocks})
    return [
        (
            [one for one in blocks if one.section < number],
            [one for one in blocks if one.section == number],
        )
        for number in numbers
    ]


def write_files(blocks: tuple[Block, ...], directory: Path) -> None:
    """Write the examples that are files beside master.cfg, and what operators put there."""
    (directory / "secrets").mkdir(mode=0o700, exist_ok=True)
    (directory / "db-password").write_text("s3cret\n")
    for block in blocks:
        if block.kind == "file":
            path = directory / block.file_name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
            path.chmod(0o600)


def examples_of(page: Path) -> tuple[dict[str, Any], list[Any]]:
    """The names that a page's Python examples define, and the values that stand alone in them."""
    from tests.documentation.blocks import blocks_of

    python = [block for block in blocks_of(page) if block.kind == "python"]
    names: dict[str, Any] = {"__name__": "master_cfg", "basedir": "."}
    exec(_BEFORE, names)
    for block in python:
        exec(compile(_with_lone_expressions(block), block.where, "exec"), names)
    return names, list(_alone)
