"""How a viewer likes the pages, kept in cookies; and what this site is."""

import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from zoneinfo import available_timezones

from ci_www.pages.formdata import first
from ci_www.pages.page import Ask, Page, Redirect

_THEMES = (("auto", "as the system"), ("light", "light"), ("dark", "dark"))
_YEAR_S = 365 * 24 * 3600


@dataclass(slots=True)
class SettingsView:
    """The page of settings."""

    theme: str
    themes: tuple[tuple[str, str], ...]
    zone: str
    zones: list[str]
    relative: bool
    keys: bool
    saved: bool
    error: str = ""


def settings_view(ask: Ask, *, saved: bool = False, error: str = "") -> SettingsView:
    """Make the view."""
    viewer = ask.viewer
    keys = ask.request is None or ask.request.getCookie(b"keys") != b"off"
    return SettingsView(
        viewer.theme, _THEMES, viewer.zone_name, sorted(available_timezones()), viewer.relative,
        keys, saved, error,
    )  # fmt: skip


async def settings(ask: Ask) -> Page:
    """GET ``/settings``"""
    view = settings_view(ask, saved=ask.arg("saved") == "1")
    return Page("settings.html", "Settings", view, nav="settings", seq=ask.data.bus.seq)


async def save(ask: Ask) -> Page | Redirect:
    """POST ``/settings``: into cookies."""
    zone = first(ask.form, "zone").strip()
    if zone and zone not in available_timezones():
        view = settings_view(ask, error=f"There is no time zone \u201c{zone}\u201d.")
        return Page("settings.html", "Settings", view, nav="settings", status=422)
    theme = first(ask.form, "theme")
    chosen = {
        b"theme": theme if theme in ("light", "dark") else "auto",
        b"tz": zone,
        b"times": "relative" if first(ask.form, "relative") else "absolute",
        b"keys": "on" if first(ask.form, "keys") else "off",
    }
    path = ask.prefix.encode() or b"/"
    for name, value in chosen.items():
        ask.request.addCookie(
            name, value.encode(), path=path, max_age=b"%d" % _YEAR_S, sameSite=b"lax"
        )
    return Redirect("/settings?saved=1")


@dataclass(slots=True)
class AboutView:
    """What this site is made of."""

    versions: list[tuple[str, str]]
    masters: list[tuple[str, bool]]
    builders: int
    workers: int


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def about_view(data: Any) -> AboutView:
    """Make the view."""
    versions = [
        ("ci-framework", _version("ci-framework")),
        ("Python", platform.python_version()),
        ("Twisted", _version("twisted")),
        ("SQLAlchemy", _version("sqlalchemy")),
    ]
    masters = [(row.name, row.active) for row in data.masters.values()]
    active = sum(1 for row in data.builders.by_id.values() if row.masterids)
    configured = sum(1 for row in data.workers.by_id.values() if row.configured_on)
    return AboutView(versions, masters, active, configured)


async def about(ask: Ask) -> Page:
    """``/about``"""
    return Page("about.html", "About", about_view(ask.data), seq=ask.data.bus.seq)
