"""The force form: rendered from the scheduler's parameters, validated by the scheduler."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ci_common.aio import settle
from ci_common.numbers import MOST_32, whole_number
from ci_master.data.actions import ForceRefused
from ci_www.pages import urls
from ci_www.pages.forcefields import Control, controls, names_of, to_args
from ci_www.pages.formdata import first
from ci_www.pages.page import Ask, NotThere, Page, Redirect
from ci_www.pages.words import plural


@dataclass(slots=True)
class ForceView:
    """The page."""

    scheduler: str
    label: str
    title: str
    home: str  # URL of the builder, if one is meant
    chosen: list[str]
    button: str
    url: str
    chosen_builders: list[str]
    others: list[str]  # as many of the other builders as match what is looked for
    hidden: int  # so many do not match
    find: str
    open: bool  # whether the others are shown at once
    several: bool
    fields: list[Control]
    problems: list[tuple[str, str, str]]  # label, id of the control, what is wrong
    general: list[str]  # problems without a field
    enabled: bool
    workers: list[str]
    has_file: bool


#: So many other builders are shown at once.
_FEW = 3


def _named(text: Any, scheduler: Any) -> str:
    """What an author wrote; empty if it is only the scheduler's name again."""
    return "" if str(text or "") == scheduler.name else str(text or "")


def force_view(
    scheduler: Any,
    specs: list[dict[str, Any]],
    *,
    chosen: list[str],
    values: dict[str, list[str]] | None = None,
    errors: dict[str, str] | None = None,
    user: str | None = None,
    posted: bool = False,
    workers: list[str] | None = None,
    home: str = "",
    find: str | None = None,
) -> ForceView:
    """Make the view.

    :param scheduler: has ``name``, ``label``, ``buttonName``, ``builderNames``.
    :param specs: its parameters as REST describes them.
    :param chosen: names of builders to be ticked.
    :param home: URL of the builder that is meant, if it is one.
    :param find: only other builders with this in their names; None if nobody looks for one.
    """
    errors = errors or {}
    fields = controls(specs, values, errors, user=user, posted=posted)
    known = names_of(fields)
    problems = [
        (known[name].label or name, known[name].id, text)
        for name, text in errors.items()
        if name in known
    ]
    names = [str(name) for name in scheduler.builderNames]
    meant = chosen if len(chosen) == 1 else names if len(names) == 1 else []
    label = _named(scheduler.label, scheduler)
    needle = (find or "").strip().lower()
    others = [name for name in names if name not in chosen and len(names) > 1]
    matching = [name for name in others if needle in name.lower()]
    return ForceView(
        scheduler=scheduler.name,
        label=label or str(scheduler.name).capitalize(),
        title=label or (f"Force a build on {meant[0]}" if meant else "Force builds"),
        home=home if meant else "",
        chosen=meant,
        button=_named(scheduler.buttonName, scheduler) or "Start build",
        url=urls.force(scheduler.name),
        chosen_builders=[name for name in names if name in chosen or len(names) == 1],
        others=matching,
        hidden=len(others) - len(matching),
        find=find or "",
        open=find is not None or not chosen or len(others) <= _FEW,
        several=len(names) > 1,
        fields=fields,
        problems=problems,
        general=[text for name, text in errors.items() if name not in known],
        enabled=bool(getattr(scheduler, "enabled", True)),
        workers=workers or [],
        has_file=any(control.kind == "file" for control in known.values()),
    )


def find_scheduler(ask: Ask, name: str) -> Any:
    """The force scheduler of that name.

    :raises NotThere: if there is none.
    """
    all_of_them = ask.parts.force_schedulers()
    for scheduler in all_of_them:
        if scheduler.name == name:
            return scheduler
    others = [(str(one.label or one.name), urls.force(one.name)) for one in all_of_them[:5]]
    raise NotThere(
        f"There is no force scheduler \u201c{name}\u201d.", [*others, ("all builders", "/builders")]
    )


def _builder_arg(ask: Ask, scheduler: Any) -> list[str]:
    wanted = []
    for name in ask.args.get("builder", []):
        builders, number = ask.data.builders, whole_number(name, most=MOST_32)
        row = builders.by_name.get(name) or builders.by_id.get(number)
        if row is not None and row.name in scheduler.builderNames:
            wanted.append(row.name)
    return wanted


def _workers(data: Any, builders: list[str]) -> list[str]:
    ids = {data.builders.by_name[name].id for name in builders if name in data.builders.by_name}
    return sorted(
        row.name
        for row in data.workers.by_id.values()
        if any(builderid in ids for builderid, _master in row.configured_on)
    )


def _home(data: Any, scheduler: Any, chosen: list[str]) -> str:
    names = chosen or [str(name) for name in scheduler.builderNames]
    row = data.builders.by_name.get(names[0]) if len(names) == 1 else None
    return urls.builder(urls.builder_segment(row.id, row.name)) if row is not None else ""


def _page(ask: Ask, view: ForceView, status: int = 200) -> Page:
    wrong = len(view.problems) + len(view.general)
    title = f"{plural(wrong, 'problem')}: {view.title}" if wrong else view.title
    return Page(
        "force.html", title, view, nav="builders", modules=("force.mjs",), status=status,
        seq=ask.data.bus.seq,
    )  # fmt: skip


async def form(ask: Ask, name: str) -> Page:
    """GET ``/force/<scheduler>``: other arguments prefill the fields of those names."""
    scheduler = find_scheduler(ask, name)
    chosen = _builder_arg(ask, scheduler)
    specs = await settle(scheduler.form_fields(chosen[0] if chosen else None))
    view = force_view(
        scheduler,
        specs,
        chosen=chosen,
        values={key: list(values) for key, values in ask.args.items() if key != "builder"},
        user=ask.viewer.user,
        workers=_workers(ask.data, chosen),
        home=_home(ask.data, scheduler, chosen),
    )
    return _page(ask, view)


def _looks_for_builder(form: Mapping[str, list[str]]) -> bool:
    """Whether the form was sent to find a builder, not to start a build.

    That is by its button; or by the Enter key, which stands for the first button of a form, when
    the name that is looked for is a new one.
    """
    if "find_builder" in form:
        return True
    return "enter" in form and first(form, "find") != first(form, "found")


async def submit(ask: Ask, name: str) -> Page | Redirect:
    """POST ``/force/<scheduler>``: to the request's page, or the form again with what is wrong."""
    scheduler = find_scheduler(ask, name)
    chosen = [one for one in ask.form.get("builderNames", []) if one in scheduler.builderNames]
    if len(scheduler.builderNames) == 1:
        chosen = [str(scheduler.builderNames[0])]
    specs = await settle(scheduler.form_fields(chosen[0] if chosen else None))
    ask.demand("force", "forceschedulers", name)
    errors: dict[str, str] = {}
    looks = _looks_for_builder(ask.form)
    if looks:
        pass  # the same form again, with the builders that match
    elif not chosen:
        errors[""] = "Choose at least one builder."
    else:
        args = to_args(specs, ask.form)
        args["builderNames"] = chosen
        args["owner"] = ask.viewer.user or "anonymous"
        try:
            result = await ask.data.actions.call("forceschedulers", name, "force", args)
            requests = result[1] if result else {}
            if not requests:
                return Redirect("/queue")
            return Redirect(urls.request_or_build(next(iter(requests.values()))))
        except ForceRefused as refused:
            errors = dict(refused.errors)
    view = force_view(
        scheduler,
        specs,
        chosen=chosen,
        values={key: list(values) for key, values in ask.form.items()},
        errors=errors,
        user=ask.viewer.user,
        posted=True,
        workers=_workers(ask.data, chosen),
        home=_home(ask.data, scheduler, chosen),
        find=first(ask.form, "find") if looks or first(ask.form, "find") else None,
    )
    return _page(ask, view, status=200 if looks else 422)
