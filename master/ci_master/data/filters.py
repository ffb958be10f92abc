"""Filters of changes and of source stamps, as written in a configuration.

All conditions given to a filter must hold. Each field may be compared with values, with
regular expressions (which match from the start of the value), and by a function.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ci_master.data.recorded import ComparableMixin

__all__ = ["ChangeFilter", "FieldCheck", "GerritChangeFilter", "NotABranch", "SourceStampFilter"]


class _NotABranch:
    """The default of ``branch``: None would mean the default branch."""

    def __repr__(self) -> str:
        return "NotABranch"

    def __bool__(self) -> bool:
        return False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _NotABranch)

    def __hash__(self) -> int:
        return hash(_NotABranch)


NotABranch: Any = _NotABranch()

CHANGE_FIELDS = ("project", "repository", "branch", "category", "codebase")
SOURCESTAMP_FIELDS = ("project", "codebase", "repository", "branch")


@dataclass(frozen=True, slots=True)
class FieldCheck:
    """One comparison of one field with values or regular expressions."""

    field: str
    kind: str  # "eq", "not_eq", "re" or "not_re"
    values: tuple[Any, ...]

    def holds(self, value: Any) -> bool:
        """Whether the field's value passes. None matches no expression."""
        if self.kind == "eq":
            return value in self.values
        if self.kind == "not_eq":
            return value not in self.values
        found = value is not None and any(regex.match(str(value)) for regex in self.values)
        return found if self.kind == "re" else not found

    def why_not(self, value: Any) -> str:
        """The sentence for a value that does not pass."""
        shown = ", ".join(repr(getattr(want, "pattern", want)) for want in self.values)
        rule = {
            "eq": "is not",
            "not_eq": "is excluded by",
            "re": "does not match",
            "not_re": "matches the excluded",
        }[self.kind]
        many = "one of " if self.kind == "eq" and len(self.values) > 1 else ""
        return f"its {self.field} {value!r} {rule} {many}{shown}"


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple | set | frozenset) else [value]


def _values(argument: str, value: Any, *, none_allowed: bool) -> tuple[str | None, ...]:
    values = _listed(value)
    for item in values:
        if not isinstance(item, str) and not (none_allowed and item is None):
            raise ValueError(
                f"'{argument}' of a filter must be a string or a list of strings, not {value!r}"
            )
    return tuple(values)


def _regexes(argument: str, value: Any) -> tuple[re.Pattern[str], ...]:
    found = []
    for item in _listed(value):
        if isinstance(item, re.Pattern):
            found.append(item)
            continue
        if not isinstance(item, str):
            raise ValueError(
                f"'{argument}' of a filter must be a regular expression or a list of them, "
                f"not {value!r}"
            )
        try:
            found.append(re.compile(item))
        except re.error as error:
            raise ValueError(
                f"'{argument}' of a filter: {item!r} is no regular expression: {error}"
            ) from error
    return tuple(found)


def _field_checks(
    fields: Iterable[str], arguments: Mapping[str, Any], eq_suffix: str
) -> list[FieldCheck]:
    """The comparisons that the arguments ask for; those that cost least come first."""
    checks = []
    for field in fields:
        for kind, suffix in (("eq", eq_suffix), ("not_eq", "_not_eq")):
            value = arguments.get(field + suffix)
            wanted = value != NotABranch if field == "branch" else value is not None
            if wanted:
                values = _values(field + suffix, value, none_allowed=field == "branch")
                checks.append(FieldCheck(field, kind, values))
        for kind in ("re", "not_re"):
            value = arguments.get(f"{field}_{kind}")
            if value is not None:
                checks.append(FieldCheck(field, kind, _regexes(f"{field}_{kind}", value)))
    order = {"eq": 0, "not_eq": 1, "re": 2, "not_re": 3}
    return sorted(checks, key=lambda check: order[check.kind])


def _property_checks(arguments: Mapping[str, Any]) -> list[FieldCheck]:
    checks = []
    for kind in ("eq", "not_eq", "re", "not_re"):
        argument = f"property_{kind}"
        wanted = arguments.get(argument)
        if wanted is None:
            continue
        if not isinstance(wanted, Mapping):
            raise ValueError(
                f"'{argument}' of a filter must be a dict of property names, not {wanted!r}"
            )
        for name, value in wanted.items():
            if kind in ("eq", "not_eq"):
                values: tuple[Any, ...] = tuple(_listed(value))
            else:
                values = _regexes(argument, value)
            checks.append(FieldCheck(name, kind, values))
    return checks


def _callable(argument: str, value: Any) -> Callable[[Any], Any] | None:
    if value is not None and not callable(value):
        raise ValueError(f"'{argument}' of a filter must be callable, not {value!r}")
    return value


class ChangeFilter(ComparableMixin):
    """Decides which changes a scheduler takes; all conditions that are given have to hold.

    ``branch=None`` accepts changes without a branch. Regular expressions match from the start.

    :raises ValueError: if an argument is of the wrong type.
    """

    compare_attrs: ClassVar[tuple[str, ...]] = (
        "filter_fn",
        "checks",
        "property_checks",
        "field_functions",
    )

    def __init__(
        self,
        filter_fn: Callable[[Any], Any] | None = None,
        project: Any = None,
        project_not_eq: Any = None,
        project_re: Any = None,
        project_not_re: Any = None,
        project_fn: Any = None,
        repository: Any = None,
        repository_not_eq: Any = None,
        repository_re: Any = None,
        repository_not_re: Any = None,
        repository_fn: Any = None,
        branch: Any = NotABranch,
        branch_not_eq: Any = NotABranch,
        branch_re: Any = None,
        branch_not_re: Any = None,
        branch_fn: Any = None,
        category: Any = None,
        category_not_eq: Any = None,
        category_re: Any = None,
        category_not_re: Any = None,
        category_fn: Any = None,
        codebase: Any = None,
        codebase_not_eq: Any = None,
        codebase_re: Any = None,
        codebase_not_re: Any = None,
        codebase_fn: Any = None,
        property_eq: Any = None,
        property_not_eq: Any = None,
        property_re: Any = None,
        property_not_re: Any = None,
    ) -> None:
        arguments = dict(locals())
        self.filter_fn = _callable("filter_fn", filter_fn)
        self.checks = _field_checks(CHANGE_FIELDS, arguments, "")
        self.property_checks = _property_checks(arguments)
        self.field_functions: dict[str, Callable[[Any], Any]] = {}
        for field in CHANGE_FIELDS:
            function = _callable(f"{field}_fn", arguments[f"{field}_fn"])
            if function is not None:
                self.field_functions[field] = function

    @classmethod
    def fromSchedulerConstructorArgs(
        cls, change_filter: Any = None, branch: Any = NotABranch, categories: Any = None
    ) -> "ChangeFilter | None":
        """The filter of a scheduler with the old arguments ``branch`` and ``categories``.

        :raises ValueError: if both forms are given.
        """
        if change_filter is not None:
            if branch != NotABranch or categories is not None:
                raise ValueError("'branch' and 'categories' cannot be given with 'change_filter'")
            return change_filter
        if branch == NotABranch and not categories:
            return None
        return cls(branch=branch, category=categories or None)

    def filter_change(self, change: Any) -> bool:
        """Whether the change passes all conditions."""
        return self.why_not(change) is None

    def could_pass(self, message: Mapping[str, Any]) -> bool:
        """Cheap first look at a change as a REST dict: False only if it surely does not pass."""
        if type(self).filter_change is not ChangeFilter.filter_change:
            return True
        return all(check.holds(message.get(check.field)) for check in self.checks)

    def only_branches(self) -> tuple[str | None, ...] | None:
        """The only branches whose changes can pass; None: any may."""
        if type(self).filter_change is ChangeFilter.filter_change:
            for check in self.checks:
                if check.field == "branch" and check.kind == "eq":
                    return check.values
        return None

    def why_not(self, change: Any) -> str | None:
        """Why the change does not pass, as a part of a sentence; None if it does."""
        for check in self.checks:
            value = getattr(change, check.field)
            if not check.holds(value):
                return check.why_not(value)
        for check in self.property_checks:
            value = change.properties.getProperty(check.field, "")
            if not check.holds(value):
                return f"property '{check.field}': {check.why_not(value)[4:]}"
        for field, function in self.field_functions.items():
            if not function(getattr(change, field)):
                return f"the filter's {field}_fn refuses its {field} {getattr(change, field)!r}"
        if self.filter_fn is not None and not self.filter_fn(change):
            return "the filter's filter_fn refuses it"
        return None

    def __repr__(self) -> str:
        parts = [
            f"{check.field} {check.kind} {[getattr(v, 'pattern', v) for v in check.values]!r}"
            for check in (*self.checks, *self.property_checks)
        ]
        parts += [f"{field}_fn" for field in self.field_functions]
        parts += ["filter_fn"] if self.filter_fn is not None else []
        return f"<{type(self).__name__} on {' and '.join(parts) or 'anything'}>"


class GerritChangeFilter(ChangeFilter):
    """A filter of changes made by a Gerrit server.

    The event type is the property ``event.type``; the branch is the property
    ``event.change.branch``, as the change's own branch carries the topic.
    """

    compare_attrs: ClassVar[tuple[str, ...]] = ("eventtype_fn", "gerrit_branch_fn")

    def __init__(
        self,
        branch: Any = NotABranch,
        branch_re: Any = None,
        branch_fn: Any = None,
        eventtype: Any = None,
        eventtype_re: Any = None,
        eventtype_fn: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        add = self.property_checks.append
        if eventtype is not None:
            values = _values("eventtype", eventtype, none_allowed=False)
            add(FieldCheck("event.type", "eq", values))
        if eventtype_re is not None:
            add(FieldCheck("event.type", "re", _regexes("eventtype_re", eventtype_re)))
        if branch != NotABranch:
            values = _values("branch", branch, none_allowed=True)
            add(FieldCheck("event.change.branch", "eq", values))
        if branch_re is not None:
            add(FieldCheck("event.change.branch", "re", _regexes("branch_re", branch_re)))
        self.eventtype_fn = _callable("eventtype_fn", eventtype_fn)
        self.gerrit_branch_fn = _callable("branch_fn", branch_fn)

    def why_not(self, change: Any) -> str | None:
        """Why the change does not pass, as a part of a sentence; None if it does."""
        for function, name in (
            (self.eventtype_fn, "event.type"),
            (self.gerrit_branch_fn, "event.change.branch"),
        ):
            if function is not None:
                value = change.properties.getProperty(name, "")
                if not function(value):
                    return f"the filter's function for '{name}' refuses {value!r}"
        return super().why_not(change)


class SourceStampFilter(ComparableMixin):
    """Chooses source stamps by project, codebase, repository and branch.

    :raises ValueError: if an argument is of the wrong type.
    """

    compare_attrs: ClassVar[tuple[str, ...]] = ("filter_fn", "checks")

    def __init__(
        self,
        filter_fn: Callable[[Any], Any] | None = None,
        project_eq: Any = None,
        project_not_eq: Any = None,
        project_re: Any = None,
        project_not_re: Any = None,
        repository_eq: Any = None,
        repository_not_eq: Any = None,
        repository_re: Any = None,
        repository_not_re: Any = None,
        branch_eq: Any = NotABranch,
        branch_not_eq: Any = NotABranch,
        branch_re: Any = None,
        branch_not_re: Any = None,
        codebase_eq: Any = None,
        codebase_not_eq: Any = None,
        codebase_re: Any = None,
        codebase_not_re: Any = None,
    ) -> None:
        self.filter_fn = _callable("filter_fn", filter_fn)
        self.checks = _field_checks(SOURCESTAMP_FIELDS, dict(locals()), "_eq")

    def is_matched(self, ss: Mapping[str, Any]) -> bool:
        """Whether the source stamp, a REST dict, passes all conditions."""
        if not all(check.holds(ss[check.field]) for check in self.checks):
            return False
        return self.filter_fn is None or bool(self.filter_fn(ss))
