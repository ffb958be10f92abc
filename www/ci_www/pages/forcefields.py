"""The fields of a force form: from the specification of parameters to controls, and back."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Values = Mapping[str, list[str]]

#: Up to so many choices are checkboxes when several may be chosen.
_CHECKBOXES = 12
#: Empty inputs of a field that takes a list.
_SPARE_ROWS = 2


@dataclass(slots=True)
class Control:
    """One control, or a group of them."""

    kind: str  # text, textarea, int, bool, select, combo, checks, multi, file, fixed, group
    name: str  # full name, as it is posted
    id: str
    label: str
    value: str = ""
    values: list[str] = field(default_factory=list)
    checked: bool = False
    required: bool = False
    hint: str = ""
    error: str = ""
    size: int = 0
    maxlength: int = 0
    rows: int = 4
    cols: int = 60
    pattern: str = ""
    choices: list[str] = field(default_factory=list)
    autocomplete: str = "off"
    auto: str = ""  # JSON: value chosen -> name of another field -> what is put there
    columns: int = 1
    tabs: bool = False
    fields: "list[Control]" = field(default_factory=list)

    @property
    def has_error(self) -> bool:
        """Whether it or anything inside it is wrong."""
        return bool(self.error) or any(one.has_error for one in self.fields)


def controls(
    specs: Iterable[Mapping[str, Any]],
    values: Values | None,
    errors: Mapping[str, str],
    *,
    user: str | None = None,
    posted: bool = False,
) -> list[Control]:
    """Make the controls of a form.

    :param values: what was posted, or prefilled by the URL; by full name.
    :param errors: by full name.
    :param posted: whether ``values`` is a whole form: then a missing checkbox is off.
    """
    made = []
    for spec in specs:
        if spec.get("hide"):
            continue
        made.append(_control(spec, values or {}, errors, user, posted))
    return made


#: Labels that no author wrote: the names of the parameters that every form has.
_OUR_LABELS = frozenset({"reason", "priority", "username", "branch", "revision", "repository"}) | {
    "project"
}


def _group_label(spec: Mapping[str, Any]) -> str:
    label = _text(spec.get("label") or spec.get("tablabel")).strip().removesuffix(":")
    if not label and _is_codebase(spec):
        return f"Source {spec['name']}" if spec.get("name") else "Source"
    return label


def _is_codebase(spec: Mapping[str, Any]) -> bool:
    names = {str(one.get("name") or "") for one in spec.get("fields") or ()}
    return {"branch", "revision"} <= names


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _control(
    spec: Mapping[str, Any],
    values: Values,
    errors: Mapping[str, str],
    user: str | None,
    posted: bool,
) -> Control:
    name = str(spec.get("fullName") or spec.get("name") or "")
    label = _text(spec.get("label") or spec.get("name")).strip().removesuffix(":")
    if label in _OUR_LABELS:
        label = label.capitalize()
    kind = str(spec.get("type") or "text")
    if kind == "nested":
        return Control(
            "group",
            name,
            _id(name or label),
            _group_label(spec),
            columns=int(spec.get("columns") or 1),
            tabs=spec.get("layout") == "tabs",
            fields=controls(spec.get("fields") or (), values, errors, user=user, posted=posted),
            error=errors.get(name, "") if name else "",
            hint=_text(spec.get("tooltip")),
        )
    given = values.get(name)
    default = spec.get("default")
    control = Control(
        kind,
        name,
        _id(name),
        label,
        value=given[-1] if given else _text(default),
        required=bool(spec.get("required")),
        hint=_text(spec.get("tooltip")),
        error=errors.get(name, ""),
        size=int(spec.get("size") or 0),
        maxlength=int(spec.get("maxsize") or 0) if kind not in ("file", "int", "bool") else 0,
        pattern=_text(spec.get("regex")) if kind in ("text", "username") else "",
    )
    if spec.get("autopopulate"):
        control.auto = json.dumps(spec["autopopulate"], default=str)
    _shape(control, spec, given, user, posted)
    if spec.get("multiple") and control.kind in ("text", "int", "textarea"):
        _shape_rows(control, default, given)
    return control


def _shape_rows(control: Control, default: Any, given: list[str] | None) -> None:
    """A field that takes a list: an input for each value, and some to spare."""
    values = given if given is not None else default if isinstance(default, list) else [default]
    control.values = [_text(one) for one in values or () if one not in (None, "")]
    control.values += [""] * _SPARE_ROWS
    control.kind = "rows"


def _shape(
    control: Control,
    spec: Mapping[str, Any],
    given: list[str] | None,
    user: str | None,
    posted: bool,
) -> None:
    """What is particular to a type."""
    match control.kind:
        case "bool":
            control.checked = is_on(given) if given or posted else bool(spec.get("default"))
        case "textarea":
            control.rows, control.cols = int(spec.get("rows") or 4), int(spec.get("cols") or 60)
        case "list" | "inherit":
            _shape_choice(control, spec, given)
        case "username":
            control.autocomplete = "name"
            if user:
                control.kind, control.value = "fixed", user
            elif spec.get("need_email"):
                control.hint = control.hint or "Name and address: Ana Ruiz <ana@example.org>"
            if control.kind == "username":
                control.kind = "text"
        case "file":
            control.maxlength = 0
            limit = int(spec.get("maxsize") or 0)
            if limit:
                most = f"At most {limit // 1024} KiB" if limit >= 1024 else f"At most {limit} bytes"
                control.hint = f"{control.hint} ({most})" if control.hint else most
            if posted:
                control.hint = f"{control.hint}. Choose the file again: browsers do not keep it"
                control.hint = control.hint.removeprefix(". ")
        case "fixed":
            control.value = _text(spec.get("default"))
        case "int":
            pass
        case _:
            control.kind = "text"


def _shape_choice(control: Control, spec: Mapping[str, Any], given: list[str] | None) -> None:
    control.choices = [_text(one) for one in spec.get("choices") or ()]
    default = spec.get("default")
    if spec.get("multiple"):
        chosen = given if given is not None else default if isinstance(default, list) else [default]
        control.values = [_text(one) for one in chosen or () if one not in (None, "")]
        control.kind = "checks" if len(control.choices) <= _CHECKBOXES else "multi"
    elif control.kind == "list" and not spec.get("strict", True):
        control.kind = "combo"
    else:
        if control.kind == "inherit" and not control.required:
            control.choices = ["", *control.choices]  # nothing is taken over unless chosen
        control.kind = "select"
        known = control.value in control.choices
        if control.value and not known:
            control.choices = [control.value, *control.choices]


def is_on(values: list[str] | None) -> bool:
    """What a checkbox and its hidden companion say."""
    return any(value.lower() in ("on", "true", "1", "yes") for value in values or ())


def _id(name: str) -> str:
    return "f-" + "".join(c if c.isalnum() or c in "-_" else "-" for c in name)


def to_args(specs: Iterable[Mapping[str, Any]], form: Values) -> dict[str, Any]:
    """What a form says, as arguments for the force action: by full name.

    Fixed and hidden fields are left out, whatever was posted: their values come from the
    configuration.
    """
    found: dict[str, Any] = {}
    for spec in specs:
        kind, name = spec.get("type"), str(spec.get("fullName") or spec.get("name") or "")
        if spec.get("hide") or kind == "fixed":
            continue
        if kind == "nested":
            found.update(to_args(spec.get("fields") or (), form))
            continue
        if name not in form:
            continue
        values = form[name]
        if kind == "bool":
            found[name] = is_on(values)
        elif spec.get("multiple"):
            found[name] = [value for value in values if value]
        elif kind == "file":
            found[name] = _file(values[-1])
        else:
            found[name] = values[-1].replace("\r\n", "\n")
    return found


def _file(text: str) -> str | bytes:
    raw = text.encode("utf-8", "surrogateescape")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def names_of(control_list: Iterable[Control]) -> dict[str, Control]:
    """All controls that are not groups, by name."""
    found: dict[str, Control] = {}
    for control in control_list:
        if control.kind == "group":
            found.update(names_of(control.fields))
            if control.name:
                found.setdefault(control.name, control)
        else:
            found[control.name] = control
    return found
