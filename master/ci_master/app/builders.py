"""What a configuration says of builders, in the terms of other rooms."""

from typing import Any

from ci_master.config.cross import locks_in, locks_of_builder
from ci_master.config.model import Config
from ci_master.data.builders import BuilderSpec, ProjectSpec
from ci_master.data.codebases import CodebaseSpec
from ci_master.data.markup import markdown_html


def builder_specs(config: Config) -> list[BuilderSpec]:
    """What others see of the builders."""
    return [
        BuilderSpec(
            name=builder.name,
            description=builder.description,
            description_format=builder.description_format,
            description_html=_html(builder),
            project=builder.project,
            tags=tuple(builder.tags),
        )
        for builder in config.builders
    ]


def project_specs(config: Config) -> list[ProjectSpec]:
    """What others see of the projects."""
    return [
        ProjectSpec(
            name=project.name,
            slug=project.slug,
            description=project.description,
            description_format=project.description_format,
            description_html=_html(project),
        )
        for project in config.projects
    ]


def codebase_specs(config: Config) -> list[CodebaseSpec]:
    """What others see of the code bases."""
    return [
        CodebaseSpec(name=codebase.name, project=codebase.project, slug=codebase.slug)
        for codebase in config.codebases
    ]


def workers_of_builders(config: Config) -> dict[str, dict[str, str]]:
    """Worker name -> builder name -> directory on the worker."""
    found: dict[str, dict[str, str]] = {worker.workername: {} for worker in config.workers}
    for builder in config.builders:
        for name in builder.workernames:
            found[name][builder.name] = builder.workerbuilddir
    return found


def locks_of(config: Config) -> list[Any]:
    """All locks that builders, their steps and workers name, as far as that is known now."""
    found: list[Any] = []
    for builder in config.builders:
        found += locks_of_builder(builder)
    for worker in config.workers:
        found += locks_in(worker.locks)
    return found


def _html(described: Any) -> str | None:
    if described.description is None or described.description_format != "markdown":
        return None
    return markdown_html(described.description)
