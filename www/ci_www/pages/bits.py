"""Small pieces of HTML that every page uses: marks, icons, times, links.

They are template globals. Those that depend on who looks take it from the template's
context: ``viewer`` (:class:`ci_www.pages.page.Viewer`) and ``now``.
"""

from typing import Any

from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from ci_www.pages import times, urls
from ci_www.pages.words import GLYPHS, WORDS, kind_of, plural


def icon(name: str, label: str = "") -> Markup:
    """An icon of the sprite. Without a label it is decoration, beside text."""
    if label:
        return Markup('<svg class="i" role="img" aria-label="{}"><use href="#i-{}"/></svg>').format(
            label, name
        )
    return Markup('<svg class="i" aria-hidden="true"><use href="#i-{}"/></svg>').format(name)


def shape(kind: str, label: str = "") -> Markup:
    """The shape of a kind in its colour. Without a label it stands beside its word."""
    named = Markup('role="img" aria-label="{}"').format(label) if label else 'aria-hidden="true"'
    return Markup('<svg class="m {0}" {1}><use href="#m-{0}"/></svg>').format(kind, Markup(named))


def status(kind: str, word: str = "") -> Markup:
    """Shape and word of a kind."""
    return Markup('<span class="st {}">{}{}</span>').format(
        kind, shape(kind), word or WORDS.get(kind, kind)
    )


@pass_context
def when(context: Context, at: float | None, *, both: bool = False) -> Markup:
    """A moment as ``<time>``: the clock, or how long ago if the viewer prefers that.

    :param both: the other form beside it.
    """
    if at is None:
        return Markup('<span class="muted">\u2013</span>')
    viewer, now = context["viewer"], context["now"]
    clock, ago = times.clock(at, now, viewer.zone), times.relative(at, now)
    first, second = (ago, clock) if viewer.relative else (clock, ago)
    extra = Markup(' <span class="muted rel">{}</span>').format(second) if both else ""
    return Markup('<time datetime="{}" title="{}">{}</time>{}').format(
        times.iso(at), times.full(at, viewer.zone), first, extra
    )


@pass_context
def ago(context: Context, at: float | None) -> Markup:
    """A moment as ``<time>``, told relative to now."""
    if at is None:
        return Markup('<span class="muted">\u2013</span>')
    viewer, now = context["viewer"], context["now"]
    return Markup('<time class="ago" datetime="{}" title="{}">{}</time>').format(
        times.iso(at), times.full(at, viewer.zone), times.relative(at, now)
    )


def dur(seconds: float | None) -> Markup:
    """A duration that does not break over lines."""
    return Markup('<span class="dur">{}</span>').format(times.duration(seconds))


@pass_context
def elapsed(context: Context, started_at: float) -> Markup:
    """How long something has been going on; modules let it tick."""
    return Markup('<span class="dur" data-since="{}">{}</span>').format(
        int(started_at), times.duration(context["now"] - started_at)
    )


@pass_context
def progress(context: Context, started_at: float, usual_s: float | None) -> Markup:
    """A bar of a running build against its usual duration, and the time that is left."""
    if not usual_s:
        return Markup(
            '<span class="prog"><progress aria-label="progress"></progress>'
            '<span class="left">no estimate</span></span>'
        )
    past = max(0, context["now"] - started_at)
    return Markup(
        '<span class="prog" data-start="{}" data-usual="{}">'
        '<progress max="100" value="{}" aria-label="progress"></progress>'
        '<span class="left">{}</span></span>'
    ).format(int(started_at), int(usual_s), min(99, int(100 * past / usual_s)), left(past, usual_s))


@pass_context
def expected(context: Context, end: Any) -> Markup:
    """When what a request waits for is expected to end, as the end of its sentence."""
    if end is None:
        return Markup("")
    which, who = ("first", f" ({end.who})") if end.who else ("it", "")
    return Markup('; {} <span data-until="{}">{}</span>{}').format(
        which, int(end.at), end.tells(context["now"]), who
    )


def left(past_s: float, usual_s: float) -> str:
    """``12 s left``, or by how much it is over."""
    if past_s <= usual_s:
        return f"{times.duration(usual_s - past_s)} left"
    return f"{times.duration(past_s - usual_s)} over"


def short(revision: str | None) -> str:
    """The first seven characters of a hash; other revisions as they are, cut at 12."""
    if not revision:
        return ""
    is_hash = len(revision) >= 20 and all(c in "0123456789abcdef" for c in revision.lower())
    return revision[:7] if is_hash else revision[:12]


def initials(author: str) -> str:
    """Up to two letters that stand for an author."""
    words = author.split("<")[0].replace(".", " ").split() or [author or "?"]
    return (words[0][:1] + (words[-1][:1] if len(words) > 1 else "")).upper()


def person(author: str | None) -> str:
    """An author without the address."""
    return (author or "").split("<")[0].strip() or (author or "").strip("<> ")


def strip(cells: list[Any], segment: str) -> Markup:
    """The last builds of a builder as one row of shapes, oldest first, each a link.

    :param cells: (number, results), newest first.
    """
    parts = []
    for place, (number, results) in enumerate(reversed(cells)):
        kind = kind_of(results)
        parts.append(
            Markup(
                '<a href="{0}" aria-label="#{1} {2}"><title>#{1} {2}</title>'
                '<rect x="{3}" width="14" height="20" class="hit"/>'
                '<use href="#m-{4}" class="{4}" x="{5}" y="4" width="12" height="12"/></a>'
            ).format(
                urls.build(segment, number), number, WORDS[kind], place * 14, kind, place * 14 + 1
            )
        )
    width = max(1, len(cells)) * 14
    return Markup(
        '<svg class="strip" width="{0}" height="20" viewBox="0 0 {0} 20">{1}</svg>'
    ).format(width, Markup("").join(parts))


def shorten(text: str, length: int) -> Markup:
    """Text cut at a length, whole in the tooltip."""
    if len(text) <= length:
        return escape(text)
    return Markup('<span title="{}">{}\u2026</span>').format(text, text[: length - 1].rstrip())


def shorten_text(text: str, length: int) -> str:
    """Text cut at a length, for places that cannot hold HTML."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "\u2026"


GLOBALS: dict[str, Any] = {
    "icon": icon,
    "shape": shape,
    "status": status,
    "when": when,
    "ago": ago,
    "dur": dur,
    "elapsed": elapsed,
    "expected": expected,
    "progress": progress,
    "short": short,
    "initials": initials,
    "person": person,
    "strip": strip,
    "shorten": shorten,
    "shorten_text": shorten_text,
    "plural": plural,
    "size": times.size,
    "url": urls,
    "WORDS": WORDS,
    "GLYPHS": GLYPHS,
}
