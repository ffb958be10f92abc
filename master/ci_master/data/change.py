"""A change, as users' filters and schedulers see it."""

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["Change", "ChangeProperties"]


class ChangeProperties:
    """The properties of a change, to be read like the properties of a build."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        self._values: dict[str, tuple[Any, str]] = {
            name: (value[0], value[1]) for name, value in (values or {}).items()
        }

    def getProperty(self, name: str, default: Any = None) -> Any:
        """The value of a property, or ``default`` if it is not set."""
        entry = self._values.get(name)
        return default if entry is None else entry[0]

    def hasProperty(self, name: str) -> bool:
        """Whether the property is set."""
        return name in self._values

    has_key = hasProperty

    def getPropertySource(self, name: str) -> str:
        """Who set the property; KeyError if nobody did."""
        return self._values[name][1]

    def asDict(self) -> dict[str, tuple[Any, str]]:
        """name -> (value, source); a copy."""
        return dict(self._values)

    def asList(self) -> list[tuple[str, Any, str]]:
        """(name, value, source), by name."""
        return sorted((name, value, source) for name, (value, source) in self._values.items())

    def get(self, name: str, default: Any = None) -> Any:
        """The same as :meth:`getProperty`."""
        return self.getProperty(name, default)

    def __getitem__(self, name: str) -> Any:
        return self._values[name][0]

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class Change:
    """One change of a source tree.

    :ivar number: its id; None if it is not stored yet.
    :ivar who: its author, also named ``author``.
    :ivar when: unix seconds.
    :ivar codebase: '' where the configuration names no codebases.
    """

    __slots__ = (
        "__dict__",  # users' filters hang their own marks on changes
        "branch",
        "category",
        "codebase",
        "comments",
        "committer",
        "files",
        "number",
        "parent_changeids",
        "project",
        "properties",
        "repository",
        "revision",
        "revlink",
        "sourcestamp",
        "when",
        "who",
    )

    def __init__(
        self,
        who: str = "",
        files: list[str] | None = None,
        comments: str = "",
        committer: str | None = None,
        revision: str | None = None,
        when: float | None = None,
        branch: str | None = None,
        category: str | None = None,
        revlink: str | None = "",
        properties: Mapping[str, Any] | None = None,
        repository: str = "",
        codebase: str = "",
        project: str = "",
        number: int | None = None,
    ) -> None:
        self.number = number
        self.who = who
        self.committer = committer
        self.files = files if files is not None else []
        self.comments = comments
        self.revision = revision
        self.when = when
        self.branch = branch
        self.category = category
        self.revlink = revlink
        self.properties = ChangeProperties(properties)
        self.repository = repository
        self.codebase = codebase
        self.project = project
        self.parent_changeids: list[int] = []
        self.sourcestamp: Mapping[str, Any] | None = None

    @classmethod
    def from_json(cls, change: Mapping[str, Any]) -> "Change":
        """From a REST dict, such as the message of an event ``changes/N/new``."""
        self = cls(
            who=change["author"],
            files=list(change.get("files") or ()),
            comments=change.get("comments") or "",
            committer=change.get("committer"),
            revision=change.get("revision"),
            when=change.get("when_timestamp"),
            branch=change.get("branch"),
            category=change.get("category"),
            revlink=change.get("revlink"),
            properties=change.get("properties"),
            repository=change.get("repository") or "",
            codebase=change.get("codebase") or "",
            project=change.get("project") or "",
            number=change.get("changeid"),
        )
        self.parent_changeids = list(change.get("parent_changeids") or ())
        self.sourcestamp = change.get("sourcestamp")
        return self

    fromChdict = from_json

    @property
    def author(self) -> str:
        """Who wrote it."""
        return self.who

    @property
    def rev(self) -> str | None:
        """The revision."""
        return self.revision

    def asDict(self) -> dict[str, Any]:
        """The change as plain data."""
        return {
            "number": self.number,
            "branch": self.branch,
            "category": self.category,
            "who": self.who,
            "comments": self.comments,
            "revision": self.revision,
            "rev": self.revision,
            "when": self.when,
            "at": self.when,
            "files": [{"name": name} for name in self.files],
            "revlink": self.revlink,
            "properties": self.properties.asList(),
            "repository": self.repository,
            "codebase": self.codebase,
            "project": self.project,
        }

    def __str__(self) -> str:
        return (
            f"Change {self.number} on branch {self.branch!r} of {self.repository!r} "
            f"(codebase {self.codebase!r}), revision {self.revision!r}, by {self.who!r}"
        )
