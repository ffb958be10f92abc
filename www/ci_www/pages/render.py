"""From a page to HTML: the Jinja environment, whole pages and single regions of them."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ci_www.pages import bits
from ci_www.pages.assets import Assets
from ci_www.pages.page import Page, Viewer
from ci_www.pages.shell import Shell

ROOT = Path(__file__).parent.parent


def _encoded(html: str) -> bytes:
    """HTML as it is sent, with a question mark for half a surrogate pair, as forms can post it."""
    return html.encode("utf-8", "replace")


class Renderer:
    """Templates with everything that they may use. Safe to call from any thread."""

    def __init__(self, assets: Assets, templates: Path = ROOT / "templates") -> None:
        self.assets = assets
        self._env = Environment(
            loader=FileSystemLoader(templates),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._env.globals.update(bits.GLOBALS)
        self._env.globals["asset"] = assets.url
        self._env.globals["sprite"] = Markup(assets.sprite)
        self._env.globals["ceil"] = math.ceil
        self.version = self._env.globals["version"] = assets.version(templates)

    def page(self, page: Page, shell: Shell, viewer: Viewer, now: float) -> bytes:
        """The whole page."""
        template = self._env.get_template(page.template)
        return _encoded(template.render(self._context(page, shell, viewer, now)))

    def regions(
        self, page: Page, shell: Shell, viewer: Viewer, now: float, wanted: Iterable[str]
    ) -> bytes | None:
        """Only some regions of a page, one after the other; None if there is no such region."""
        template = self._env.get_template(page.template)
        values = self._context(page, shell, viewer, now)
        parts: list[str] = []
        for name in wanted:
            owner = template
            block = template.blocks.get(f"r_{name}")
            if block is None and name in ("nav",):
                owner = self._env.get_template("layout.html")
                block = owner.blocks.get(f"r_{name}")
            if block is None:
                return None
            parts += block(owner.new_context(values))
        return _encoded("".join(parts))

    def _context(self, page: Page, shell: Shell, viewer: Viewer, now: float) -> dict[str, Any]:
        return {"page": page, "v": page.view, "shell": shell, "viewer": viewer, "now": now}
