"""Cancelling, stopping and pausing in a browser: asked first, and the page stays where it is."""

from collections.abc import Iterator
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.conftest import missing
from tests.process.farm import Master, farm_in
from tests.process.test_browser_real import is_live, one, text_of, url, wait
from tests.tools import screenshots
from tests.tools.screenshots import browser_missing

pytestmark = [pytest.mark.browser, pytest.mark.process]

CONFIG = """
c['workers'] = [worker.Worker('w1', 'secret', max_builds=1)]
builder('slow', sh('sleep 900'))
builder('waiting', sh('true'), collapseRequests=False)
builder('other', sh('true'), collapseRequests=False)
force_all()
"""


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Master]:
    reason = browser_missing()
    if reason:
        missing(reason)
    for farm in farm_in(tmp_path_factory.mktemp("cancel")):
        made = farm.master()
        made.configure(CONFIG)
        made.start()
        farm.worker(made)
        made.wait_for_worker()
        made.build_of(made.force("slow"))
        yield made


@pytest.fixture(scope="module")
def window(master: Master) -> Iterator[Any]:
    with screenshots.window(1280) as made:
        yield made


@pytest.fixture
def driver(window: Any) -> Any:
    window.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    return window


def modal(driver: Any) -> Any:
    return wait(driver, lambda d: d.find_elements(By.CSS_SELECTOR, "dialog:modal"))[0]


def cancelled(master: Master, request: int) -> bool:
    found = master.rest.one(f"buildrequests/{request}")
    return bool(found["complete"] and found["results"] == 6)


def test_requests_are_cancelled_by_selection_and_the_page_stays(
    driver: Any, master: Master
) -> None:
    waiting = [master.force("waiting", reason=f"n {n}") for n in range(30)]
    other = [master.force("other", reason="keep") for _ in range(3)]
    driver.get(url(master, "/queue?builder=waiting"))
    wait(driver, is_live)
    driver.execute_script("window.same = true; scrollTo(0, 400)")
    top = driver.execute_script("return scrollY")
    for request in waiting[8:11]:
        box = one(driver, f"input[name=request][value='{request}']")
        driver.execute_script("arguments[0].click()", box)
    # One of the chosen is gone before the button is pressed: it is told, the others stay chosen.
    button = one(driver, "#bulk-go")
    assert "Cancel 3 selected" in button.get_attribute("textContent")
    driver.execute_script("arguments[0].focus({preventScroll: true})", button)
    driver.switch_to.active_element.send_keys(Keys.ENTER)
    dialog = modal(driver)
    assert f"{waiting[8]}" in dialog.text and "Cancel 3 requests" in dialog.text
    master.rest.call(f"buildrequests/{waiting[9]}", "cancel", reason="by rest")
    driver.switch_to.active_element.send_keys("not needed", Keys.ENTER)
    told = wait(driver, lambda d: d.find_elements(By.ID, "told"))[0]
    wait(driver, lambda d: "2 requests cancelled" in told.text)
    assert "had ended before" in told.text
    assert not driver.find_elements(By.CSS_SELECTOR, "dialog[open]:modal")
    assert driver.execute_script("return window.same") is True
    assert "builder=waiting" in driver.current_url
    assert abs(driver.execute_script("return scrollY") - top) < 120
    assert cancelled(master, waiting[8]) and cancelled(master, waiting[10])
    assert not cancelled(master, waiting[0])
    wait(driver, lambda d: not d.find_elements(By.ID, f"r{waiting[8]}"))
    driver.get(url(master, f"/buildrequests/{waiting[8]}"))
    assert "not needed" in text_of(driver) and "ancelled" in text_of(driver)
    driver.get(url(master, "/queue?builder=waiting"))
    wait(driver, is_live)
    everything = one(driver, "#bulk-all")
    everything.click()
    assert "Cancel 27 selected" in one(driver, "#bulk-go").get_attribute("textContent")
    one(driver, "#bulk-go").click()
    modal(driver)
    driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    wait(driver, lambda d: not d.find_elements(By.CSS_SELECTOR, "dialog:modal"))
    assert driver.switch_to.active_element == one(driver, "#bulk-go")  # focus is back
    assert not cancelled(master, waiting[0])
    for request in other + [n for n in waiting if not cancelled(master, n)]:
        master.rest.call(f"buildrequests/{request}", "cancel", reason="clean")


def test_a_single_request_is_asked_about_on_its_own_page(driver: Any, master: Master) -> None:
    request = master.force("waiting", reason="single")
    driver.get(url(master, f"/buildrequests/{request}"))
    wait(driver, is_live)
    one(driver, "a[data-ask]").send_keys(Keys.ENTER)
    modal(driver)
    assert not cancelled(master, request)
    driver.switch_to.active_element.send_keys("a mistake", Keys.ENTER)
    wait(driver, lambda d: "a mistake" in text_of(d))
    assert cancelled(master, request)


def test_pause_and_stop_ask_in_a_dialog(driver: Any, master: Master) -> None:
    driver.get(url(master, "/workers/w1"))
    wait(driver, is_live)
    one(driver, "details.pop summary").send_keys(Keys.ENTER)
    modal(driver)
    driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    wait(driver, lambda d: not d.find_elements(By.CSS_SELECTOR, "dialog:modal"))
    wait(driver, lambda d: d.switch_to.active_element == one(d, "details.pop summary"))
    assert master.rest.one("workers/w1")["paused"] is False
    one(driver, "details.pop summary").send_keys(Keys.ENTER)
    modal(driver)
    driver.switch_to.active_element.send_keys("new disk", Keys.ENTER)
    wait(driver, lambda d: "new disk" in text_of(d))
    one(driver, "button[value=unpause]").click()
    wait(driver, lambda _d: master.rest.one("workers/w1")["paused"] is False)
    driver.get(url(master, "/builders/slow/builds/1"))
    wait(driver, is_live)
    driver.switch_to.active_element.send_keys("s")
    modal(driver)
    driver.switch_to.active_element.send_keys("wrong branch", Keys.ENTER)
    wait(driver, lambda d: d.find_elements(By.CSS_SELECTOR, ".banner.cancelled"))
    assert "Stopped" in text_of(driver) and "wrong branch" in text_of(driver)


def test_all_of_it_works_without_scripts(window: Any, master: Master) -> None:
    driver = window
    master.build_of(master.force("slow"))
    requests = [master.force("waiting", reason=f"plain {n}") for n in range(3)]
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    driver.get(url(master, "/queue?builder=waiting"))
    for request in requests[:2]:
        one(driver, f"input[name=request][value='{request}']").click()
    one(driver, "#bulk-go").click()
    wait(driver, lambda d: "/queue/cancel" in d.current_url)
    one(driver, "input[name=reason]").send_keys("by hand")
    one(driver, "form.ask button.danger").click()
    wait(driver, lambda d: "2 requests cancelled" in text_of(d))
    assert "builder=waiting" in driver.current_url
    assert cancelled(master, requests[0]) and not cancelled(master, requests[2])
    driver.get(url(master, "/builders/slow/builds/latest"))
    one(driver, "details.pop summary").click()
    one(driver, "details.pop input[name=reason]").send_keys("plainly")
    one(driver, "details.pop button[value=stop]").click()
    wait(driver, lambda d: "plainly" in text_of(d) or d.get(d.current_url))
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
