"""Accessibility of every page, in both themes, as the rules of axe see it.

The rules come with the package axe-core-python; ``CI_AXE`` may name another ``axe.min.js``.
"""

import importlib.util
import os
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import missing
from tests.process.test_browser_pages import PAGES, driver, resize, site

__all__ = ["driver", "site"]

pytestmark = pytest.mark.browser

RUN = """const done = arguments[arguments.length - 1];
const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
axe.run(document, {runOnly: tags})
  .then((found) => done(found.violations.map((one) => one.id + ': ' + one.help + ' ' +
    one.nodes.slice(0, 4).map((node) => node.target.join(' ') + ' ' + (node.any[0]?.message || ''))
    .join(' | '))), (error) => done([String(error)]));"""


@pytest.fixture(scope="module")
def axe() -> str:
    """The script."""
    given = os.environ.get("CI_AXE")
    if given:
        return Path(given).read_text()
    package = importlib.util.find_spec("axe_core_python")
    if package is None:
        missing("the package axe-core-python is not installed")
    assert package is not None and package.origin is not None
    return Path(package.origin).with_name("axe.min.js").read_text()


@pytest.mark.parametrize("width", (1280, 390))
@pytest.mark.parametrize("theme", ("light", "dark"))
@pytest.mark.parametrize("path", PAGES)
def test_no_page_breaks_a_rule(
    driver: Any, site: str, axe: str, path: str, theme: str, width: int
) -> None:
    resize(driver, width, 900)
    features = [
        {"name": "prefers-color-scheme", "value": theme},
        {"name": "prefers-reduced-motion", "value": "reduce"},
    ]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    driver.get(site + path)
    driver.execute_script(axe)
    assert driver.execute_async_script(RUN) == []
