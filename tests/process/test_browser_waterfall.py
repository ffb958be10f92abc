"""The waterfall and the force form of a large farm, as people use them."""

from collections.abc import Iterator
from typing import Any

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.process.test_browser_pages import driver, resize, site_of, wait
from tests.tools.large_farm import STEPS

__all__ = ["driver"]

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def large_site() -> Iterator[str]:
    """The farm that strains pages."""
    yield from site_of("large")


def card_of(driver: Any) -> str:
    card = driver.find_element(By.CSS_SELECTOR, ".wf-card")
    return str(card.text) if card.is_displayed() else ""


@pytest.fixture
def failed(driver: Any, large_site: str) -> Any:
    """A box of a failed build on the open page."""
    resize(driver, 1440, 900)
    driver.get(large_site + "/waterfall")
    box = driver.find_element(By.CSS_SELECTOR, "a.box.failure")
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", box)
    return box


def test_a_card_tells_of_a_build_on_hover_and_on_focus(driver: Any, failed: Any) -> None:
    rect = failed.find_element(By.CSS_SELECTOR, "rect.wide")
    ActionChains(driver).move_to_element(rect).perform()
    told = wait(driver, card_of)
    for text in ("failed", STEPS[3][:30], "every-branch", "on linux-x86-64-rack", "4 min"):
        assert text in told
    ActionChains(driver).move_to_element(driver.find_element(By.TAG_NAME, "h1")).perform()
    wait(driver, lambda d: not card_of(d))
    driver.execute_script("arguments[0].focus()", failed)
    assert wait(driver, card_of) == told
    ActionChains(driver).send_keys(Keys.ESCAPE).perform()
    assert card_of(driver) == ""


def test_the_first_touch_shows_the_card_and_the_second_opens_the_build(
    driver: Any, failed: Any
) -> None:
    def touch() -> None:
        driver.execute_script(
            "const box = arguments[0].querySelector('rect.wide');"
            "const down = {pointerType: 'touch', bubbles: true};"
            "box.dispatchEvent(new PointerEvent('pointerdown', down));"
            "box.dispatchEvent(new MouseEvent('click', {bubbles: true, cancelable: true}));",
            failed,
        )

    link = failed.get_dom_attribute("href")
    before = driver.current_url
    touch()
    card = driver.find_element(By.CSS_SELECTOR, ".wf-card")
    assert "failed" in wait(driver, card_of) and driver.current_url == before
    assert card.find_element(By.LINK_TEXT, "Open").get_attribute("href").endswith(link)
    touch()
    wait(driver, lambda d: d.current_url.endswith(link))


def test_what_runs_grows_up_to_now(driver: Any, large_site: str) -> None:
    resize(driver, 1440, 900)
    driver.get(large_site + "/waterfall?scale=64")
    measure = (
        "const box = document.querySelector('a.box.running rect.wide:not(.due)')"
        ".getBoundingClientRect();"
        "const line = document.querySelector('.nowline').getBoundingClientRect();"
        "return [box.height, box.top - line.top]"
    )
    before, apart = driver.execute_script(measure)
    assert abs(apart) <= 1.5
    wait(driver, lambda d: d.execute_script(measure)[0] > before + 2)
    assert abs(driver.execute_script(measure)[1]) <= 1.5


def test_boxes_in_the_browser_are_as_tall_as_the_stated_scale_says(
    driver: Any, failed: Any
) -> None:
    text = driver.find_element(By.CSS_SELECTOR, ".wfrange").text
    scale = float(text.partition(" px/min")[0].rpartition(" ")[2])
    heights = driver.execute_script(
        "return [...document.querySelectorAll('a.box.failure, a.box.success')].map((box) => ["
        "box.querySelector('title').textContent,"
        "box.querySelector('rect.wide').getBBox().height])"
    )
    alike = [height for title, height in heights if ", 4 min 20 s" in title]
    assert len(alike) > 50
    assert all(abs(height - 260 / 60 * scale) <= 1 for height in alike)


def test_a_builder_is_found_on_the_form_and_what_was_typed_stays(
    driver: Any, large_site: str
) -> None:
    for scripts in (True, False):
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not scripts})
        try:
            driver.get(large_site + "/force/force?builder=unit-12")
            reason = driver.find_element(By.NAME, "reason")
            reason.clear()
            reason.send_keys("because of it")
            driver.find_element(By.CSS_SELECTOR, ".builders summary").click()
            find = driver.find_element(By.ID, "f-find")
            find.send_keys("unit-2")
            if not scripts:
                find.send_keys(Keys.ENTER)
                wait(driver, lambda d: "match" in d.find_element(By.ID, "f-found").text)
            names = driver.find_elements(By.CSS_SELECTOR, ".builders details .check")
            seen = [name.text for name in names if name.is_displayed()]
            assert seen == ["unit-21", "unit-24", "unit-27"]
            chosen = driver.find_elements(By.CSS_SELECTOR, "[name=builderNames]:checked")
            assert [one.get_attribute("value") for one in chosen] == ["unit-12"]
            kept = driver.find_element(By.NAME, "reason").get_attribute("value")
            assert kept == "because of it"
            assert "/force/" in driver.current_url
        finally:
            driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
