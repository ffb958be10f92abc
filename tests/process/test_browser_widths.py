"""Every page at every usual width: nothing wider than the window, cut, or outside of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from selenium.webdriver.common.by import By

from tests.process.test_browser_pages import driver, resize, site_of
from tests.tools.large_farm import BUILDERS, FIRST_NUMBER, STEPS, WORKERS, builder_name

__all__ = ["driver"]

pytestmark = pytest.mark.browser

WIDTHS = (320, 390, 768, 820, 1024, 1060, 1440, 1920)

LONG = quote(builder_name(0), safe="")
BUILD = f"/builders/{LONG}/builds/{FIRST_NUMBER}"  # failed
PAGES = (
    "/",
    "/builders",
    f"/builders/{LONG}",
    f"/builders/{builder_name(4)}",  # one that waits
    BUILD,
    f"{BUILD}/changes",
    f"{BUILD}/properties",
    f"{BUILD}/steps/3",
    f"{BUILD}/steps/3/logs/stdio",
    f"/builders/{LONG}/builds/{FIRST_NUMBER + 3}",  # runs
    "/builders/no-such-builder",
    "/waterfall",
    "/waterfall?steps=1&tag=tag-00-",
    "/queue",
    f"/queue?builder={builder_name(4)}",
    "/buildrequests/1",
    "/buildrequests/89",
    "/workers",
    f"/workers/{WORKERS[0]}",
    f"/workers/{WORKERS[4]}",
    "/changes",
    "/changes/1",
    f"/force/force?builder={LONG}",
    "/settings",
    "/about",
)

PROBE = (Path(__file__).parents[1] / "tools" / "page_faults.js").read_text()


@pytest.fixture(scope="module")
def large_site() -> Iterator[str]:
    """The farm that strains pages."""
    yield from site_of("large")


@pytest.mark.parametrize("theme", ("light", "dark"))
@pytest.mark.parametrize("path", PAGES)
def test_no_page_is_too_wide_or_cuts_what_it_says(
    driver: Any, large_site: str, path: str, theme: str
) -> None:
    features = [{"name": "prefers-color-scheme", "value": theme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    found = []
    for width in WIDTHS:
        resize(driver, width, 844)
        driver.get(large_site + path)
        assert driver.find_elements(By.CSS_SELECTOR, "main h1"), driver.page_source[:500]
        found += [f"{width} px: {what}" for what in driver.execute_script(PROBE, width)]
    assert found == []


def test_the_failing_step_is_seen_on_a_phone_without_scrolling(
    driver: Any, large_site: str
) -> None:
    resize(driver, 390, 844)
    driver.get(f"{large_site}/builders/unit-12/builds/{FIRST_NUMBER}")
    row = driver.find_element(By.CSS_SELECTOR, ".step[open] > summary:has(.m.failure)")
    assert STEPS[3][:40] in row.text.replace("\n", "")
    assert row.rect["y"] + row.rect["height"] <= 844 - 64  # the bar of actions is 64 pixels


def test_25_builders_fit_the_waterfall_at_1440_pixels(driver: Any, large_site: str) -> None:
    assert BUILDERS >= 25
    resize(driver, 1440, 900)
    driver.get(large_site + "/waterfall")
    wide, window = driver.execute_script(
        "const wf = document.querySelector('.wf'); return [wf.scrollWidth, wf.clientWidth]"
    )
    assert wide <= window
    names = driver.find_elements(By.CSS_SELECTOR, ".wf-head .b")
    assert len(names) == 25 and all(name.get_attribute("title") for name in names)
