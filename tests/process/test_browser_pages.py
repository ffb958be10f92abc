"""The pages in a real browser: live updates, the log viewer, widths, security policy."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.conftest import missing
from tests.tools import screenshots
from tests.tools.screenshots import browser_missing

pytestmark = pytest.mark.browser

PAGES = (
    "/",
    "/builders",
    "/builders/linux-py312",
    "/builders/linux-py312/builds/50",
    "/builders/linux-py312/builds/50/changes",
    "/builders/linux-py312/builds/50/properties",
    "/builders/linux-py312/builds/50/steps/3/logs/stdio",
    "/builders/linux-py312/builds/50/steps/3/logs/stdio?q=test",
    "/waterfall",
    "/queue",
    "/queue/cancel?all=1",
    "/workers",
    "/workers/mac-mini",
    "/changes",
    "/changes/3",
    "/buildrequests/3",
    "/force/force?builder=lint",
    "/settings",
    "/about",
)


def site_of(farm: str = "") -> Iterator[str]:
    """A made-up farm, served by a process that ends with the tests."""
    argv = [sys.executable, "-m", "tests.tools.fake_site", "0", farm]
    root = Path(__file__).parents[2]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=root, env=os.environ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().decode().strip()
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """The made-up farm."""
    yield from site_of()


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    """One browser for all tests of this module."""
    reason = browser_missing()
    if reason:
        missing(reason)
    with screenshots.window() as made:
        yield made


def resize(driver: Any, width: int, height: int) -> None:
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 700}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def wait(driver: Any, until: Any, seconds: float = 120) -> Any:
    return WebDriverWait(driver, seconds, poll_frequency=0.05).until(until)


@pytest.mark.parametrize("path", PAGES)
def test_no_page_scrolls_sideways_or_complains(driver: Any, site: str, path: str) -> None:
    for width in (1280, 390, 320):
        resize(driver, width, 800)
        driver.get(site + path)
        wide = driver.execute_script("return document.documentElement.scrollWidth")
        assert wide <= width, f"{path} is {wide} px wide at {width} px"
    complaints = [entry["message"] for entry in driver.get_log("browser")]
    assert complaints == []


def test_a_build_that_starts_elsewhere_appears_without_a_reload(driver: Any, site: str) -> None:
    resize(driver, 1280, 800)
    driver.get(site + "/builders/lint")
    driver.execute_script("window.same = true")
    wait(driver, lambda d: d.find_element(By.ID, "live").get_attribute("data-state") == "live")
    before = driver.find_element(By.CSS_SELECTOR, "[data-region=builds] tr[data-row] a").text
    wait(
        driver,
        lambda d: (
            d.find_element(By.CSS_SELECTOR, "[data-region=builds] tr[data-row] a").text != before
        ),
        30,
    )
    assert driver.execute_script("return window.same") is True


def test_lines_of_a_running_step_arrive_and_the_result_is_shown(driver: Any, site: str) -> None:
    driver.get(site + "/builders/lint")
    link = wait(
        driver,
        lambda d: d.find_elements(By.CSS_SELECTOR, "[data-region=now] .run .c-name a"),
        30,
    )[0]
    driver.get(link.get_attribute("href"))
    wait(driver, lambda d: "line 5 of this build" in d.find_element(By.TAG_NAME, "main").text)
    wait(driver, lambda d: d.find_elements(By.CSS_SELECTOR, ".banner.success"), 120)
    wait(driver, lambda d: "success" in d.title)  # the title follows the page


def test_old_routes_go_to_the_pages_of_today(driver: Any, site: str) -> None:
    table = {
        "/#/builders/linux-py312/builds/50#bb-step-3": "/builders/linux-py312/builds/50/steps/3",
        "/#/builders/lint/force/force": "/force/force?builder=lint",
        "/#/pendingbuildrequests": "/queue",
        "/#/builders?tags=%2Blinux": "/builders?tag=linux",
        "/#/waterfall": "/waterfall",
        "/#/console": "/waterfall",
        "/#/grid": "/waterfall",
        "/#/workers/mac-mini": "/workers/mac-mini",
    }
    for old, new in table.items():
        driver.get("about:blank")
        driver.get(site + old)
        wait(driver, lambda d, new=new: d.current_url == site + new)


def test_a_long_log_keeps_few_rows_and_jumps_to_any_line(driver: Any, site: str) -> None:
    resize(driver, 1280, 800)
    url = site + "/builders/nightly-bench/builds/1/steps/0/logs/stdio"
    driver.get(url + "#L600000")
    wait(driver, lambda d: "row 599999 " in d.find_element(By.ID, "logrows").text)
    rows = driver.execute_script("return document.querySelectorAll('#logrows .ll').length")
    assert rows <= 400
    driver.find_element(By.ID, "lq").send_keys("row 123456 ")
    wait(driver, lambda d: "row 123456 " in d.find_element(By.ID, "logrows").text)
    assert driver.find_elements(By.CSS_SELECTOR, ".ll.hit")
    driver.execute_script("document.getElementById('loglist').scrollTop = 1e9")
    wait(driver, lambda d: "row 999999 " in d.find_element(By.ID, "logrows").text)


def test_a_rejected_form_keeps_its_values_and_says_what_is_wrong(driver: Any, site: str) -> None:
    driver.get(site + "/force/force?builder=lint&title=" + "x" * 60)
    driver.find_element(By.CSS_SELECTOR, "form[data-force] button.primary").click()
    problems = wait(driver, lambda d: d.find_element(By.ID, "problems"))
    assert "maximum is 30" in problems.text
    assert driver.find_element(By.NAME, "title").get_attribute("value") == "x" * 60
    field = driver.find_element(By.NAME, "title")
    field.clear()
    driver.find_element(By.CSS_SELECTOR, "form[data-force] button.primary").click()
    wait(driver, lambda d: "/buildrequests/" in d.current_url)
