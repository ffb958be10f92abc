"""Projects and codebases: what builders belong to, and where its code lives."""

from typing import Any

from ci_master.builds.configchecks import Checker
from ci_master.data.recorded import ComparableMixin, Recorded

__all__ = ["Codebase", "Project"]


class Project(ComparableMixin, Recorded):
    """A group of builders and codebases in the REST API.

    :param name: the name, unique among projects.
    :param slug: a short form of the name; None: the name.
    :param description: a text for people.
    :param description_format: None for plain text, or ``markdown``.
    """

    compare_attrs = ("name", "slug", "description", "description_format")

    def __init__(
        self,
        name: str,
        slug: str | None = None,
        description: str | None = None,
        description_format: str | None = None,
    ) -> None:
        check = Checker(f"project {name!r}")
        self.name = _required(check, "name", name)
        self.slug = check.text("slug", slug) or self.name
        self.description = check.text("description", description)
        self.description_format = check.description_format(description_format)


class Codebase(ComparableMixin, Recorded):
    """A repository of a project, by a name of its own.

    :param name: the name, unique within the project.
    :param project: the name of the project that it belongs to.
    :param slug: a short form of the name; None: the name.
    """

    compare_attrs = ("name", "project", "slug")

    def __init__(self, name: str, project: str, slug: str | None = None) -> None:
        check = Checker(f"codebase {name!r}")
        self.name = _required(check, "name", name)
        self.project = _required(check, "project", project)
        self.slug = check.text("slug", slug) or self.name


def _required(check: Checker, what: str, value: Any) -> str:
    if not isinstance(value, str):
        check.fault(f"{what} is {value!r}, but must be a string")
        return ""
    return value
