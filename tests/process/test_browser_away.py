"""What a page says and does while its master is away, silent, or another one."""

import os
import re
import signal
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.conftest import missing
from tests.process.farm import Farm, Master, farm_in
from tests.process.test_browser_real import is_live, one, text_of, url, wait
from tests.tools import screenshots
from tests.tools.screenshots import browser_missing

pytestmark = [pytest.mark.browser, pytest.mark.process]

CONFIG = """
builder('quick', sh('true'))
builder('slow', sh('sleep 600'))
builder('waiting', sh('true'), collapseRequests=False)
c['workers'] = [worker.Worker('w1', 'secret', max_builds=1)]
force_all()
"""


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    yield from farm_in(tmp_path_factory.mktemp("away"))


@pytest.fixture(scope="module")
def made(farm: Farm) -> Master:
    reason = browser_missing()
    if reason:
        missing(reason)
    made = farm.master()
    made.configure(CONFIG)
    made.start()
    farm.worker(made)
    made.wait_for_worker()
    return made


@pytest.fixture
def master(made: Master) -> Master:
    assert made.daemon is not None
    if not made.daemon.is_running():
        made.start()
    made.wait_for_worker()
    return made


@pytest.fixture(scope="module")
def window(made: Master) -> Iterator[Any]:
    with screenshots.window(1280) as made:
        yield made


@pytest.fixture
def driver(window: Any) -> Any:
    return window


def mode(driver: Any) -> Any:
    return one(driver, "#live").get_attribute("data-state")


def strip(driver: Any) -> str:
    script = "const e = document.querySelector('#lost'); return e && !e.hidden ? e.innerText : ''"
    return str(driver.execute_script(script))


def clocks(driver: Any) -> Any:
    return driver.execute_script(
        """return [...document.querySelectorAll('main [data-since], main .prog, main time.ago')]
        .map((e) => e.textContent + (e.querySelector('progress')?.value ?? ''))"""
    )


def seconds_pass(driver: Any, count: float = 2.5) -> None:
    """Let the page's own clock go on."""
    begun = driver.execute_script("return Date.now()")
    wait(driver, lambda d: d.execute_script("return Date.now()") > begun + 1000 * count)


def running_build(master: Master) -> dict[str, Any]:
    for build in master.rest.all("builders/slow/builds?complete=false"):
        return dict(build)
    return master.build_of(master.force("slow"))


def test_after_kill_9_the_clocks_stand_and_the_page_comes_back_as_it_was(
    driver: Any, master: Master
) -> None:
    build = running_build(master)
    waiting = [master.force("waiting", reason=f"reason {n}") for n in range(40)]
    driver.get(url(master, f"/builders/slow/builds/{build['number']}"))
    wait(driver, is_live)
    before = clocks(driver)
    wait(driver, lambda d: clocks(d) != before)  # they run
    driver.get(url(master, "/queue"))
    wait(driver, is_live)
    find = one(driver, "#find")
    find.send_keys("half a wo")
    driver.execute_script("window.same = true; window.scrollTo(0, 300)")
    top = driver.execute_script("return scrollY")
    assert top > 200
    master.kill()
    wait(driver, lambda d: mode(d) == "offline", 10)
    said = strip(driver)
    assert re.search(r"Disconnected since \d\d:\d\d:\d\d", said), said
    wait(driver, lambda d: re.search(r"Trying again in \d+ s", strip(d)))
    first = clocks(driver)
    assert first
    seconds_pass(driver)
    assert clocks(driver) == first
    assert driver.execute_script("return document.body.hasAttribute('data-stale')") is True
    heard = one(driver, "#say")
    assert heard.get_attribute("aria-live") == "polite"
    assert "Disconnected since" in heard.get_attribute("textContent")
    style = "return getComputedStyle(document.querySelector('main [data-since]')).fontStyle"
    assert driver.execute_script(style) == "italic"
    master.start()
    driver.execute_script("document.querySelector('#lost button').click()")
    wait(driver, is_live)
    wait(driver, lambda d: "up to date" in strip(d))
    wait(driver, lambda d: "up to date" in one(d, "#say").get_attribute("textContent"))
    assert driver.execute_script("return [scrollY, window.same]") == [top, True]
    assert find.get_attribute("value") == "half a wo"
    assert driver.switch_to.active_element == find
    stood = clocks(driver)
    wait(driver, lambda d: clocks(d) != stood)
    for request in waiting:
        master.rest.call(f"buildrequests/{request}", "cancel", reason="enough")
    wait(driver, lambda d: "reason" not in text_of(d))


def test_a_silent_master_is_noticed_and_what_is_typed_is_not_sent_into_the_void(
    driver: Any, master: Master
) -> None:
    assert master.daemon is not None
    driver.get(url(master, "/force/force?builder=quick"))
    wait(driver, is_live)
    reason = one(driver, "[name=reason]")
    reason.clear()
    reason.send_keys("a long story")
    driver.execute_script(
        """window.first = ''; new MutationObserver(() => {
          window.first ||= document.querySelector('#lost:not([hidden])')?.innerText || '';
        }).observe(document.querySelector('header.bar'), {childList: true, subtree: true});"""
    )
    os.kill(master.daemon.pid, signal.SIGSTOP)
    try:
        wait(driver, lambda d: mode(d) == "offline", 60)
        # It is said before another try has ended: that takes as long again.
        assert "Trying again now" in driver.execute_script("return window.first")
        assert "Disconnected since" in strip(driver)
        driver.execute_script("scrollTo(0, 1e6)")
        one(driver, "form.form button.primary").click()
        wait(driver, lambda d: "Not sent" in strip(d))
        assert "/force/" in driver.current_url
        driver.execute_script("document.querySelector('#lost button').focus()")
        driver.switch_to.active_element.send_keys(Keys.ENTER)
        wait(driver, lambda d: "Trying again" in strip(d))
    finally:
        os.kill(master.daemon.pid, signal.SIGCONT)
    wait(driver, is_live)
    assert one(driver, "[name=reason]").get_attribute("value") == "a long story"
    one(driver, "form.form button.primary").click()
    wait(driver, lambda d: "/force/" not in d.current_url)


def test_a_laptop_that_slept_shows_no_clock_that_ran_on(driver: Any, master: Master) -> None:
    assert master.daemon is not None
    build = running_build(master)
    driver.get(url(master, f"/builders/slow/builds/{build['number']}"))
    wait(driver, is_live)
    os.kill(master.daemon.pid, signal.SIGSTOP)
    try:
        # Two hours are slept through: the master is asked before the clocks go on.
        driver.execute_script(
            """window.hours = 0; const real = Date.now; Date.now = () => real() + 7200e3;
            const look = () => { for (const e of document.querySelectorAll('main [data-since]'))
              if (/ h /.test(e.textContent)) window.hours += 1; };
            new MutationObserver(look).observe(document.querySelector('main'),
              {childList: true, characterData: true, subtree: true});"""
        )
        wait(driver, lambda d: mode(d) == "offline")
        assert driver.execute_script("return window.hours") == 0
    finally:
        os.kill(master.daemon.pid, signal.SIGCONT)
    wait(driver, is_live)
    wait(driver, lambda d: d.execute_script("return window.hours") > 0)


class Proxy(BaseHTTPRequestHandler):
    """Passes pages on but no WebSockets; answers 502 for a master that is gone."""

    port = 0

    def do_GET(self) -> None:
        import http.client

        if self.headers.get("Upgrade"):
            return self.send_error(400)
        inner = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            inner.request("GET", self.path, headers={"Host": f"127.0.0.1:{self.port}"})
            answer = inner.getresponse()
            body = answer.read()
        except OSError:
            return self.send_error(502)
        finally:
            inner.close()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() in ("content-type", "location", "x-version", "x-topics"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        return None

    def log_message(self, *args: Any) -> None:
        """Nothing is printed."""


@pytest.fixture
def proxy(master: Master) -> Iterator[int]:
    handler = type("P", (Proxy,), {"port": master.www_port})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def test_without_websockets_a_page_polls_and_notices_502(
    driver: Any, master: Master, proxy: int
) -> None:
    driver.get(f"http://127.0.0.1:{proxy}/builders/quick")
    wait(driver, lambda d: mode(d) == "polling")
    assert "refreshed every 5 s" in one(driver, "#live .text").get_attribute("textContent")
    assert strip(driver) == ""
    running = running_build(master)
    if not running["complete"]:
        master.rest.call(f"builds/{running['buildid']}", "stop", reason="done")
    build = master.forced("quick", reason="polled")
    wait(driver, lambda d: f"#{build['number']}" in text_of(d))
    master.kill()
    wait(driver, lambda d: mode(d) == "offline")
    assert "Disconnected since" in strip(driver)
    master.start()
    wait(driver, lambda d: mode(d) == "polling")
    assert "up to date" in strip(driver)


def test_a_master_with_other_pages_makes_the_page_ask_for_a_reload(
    driver: Any, master: Master
) -> None:
    driver.get(url(master, "/builders/quick"))
    wait(driver, is_live)
    driver.execute_script("document.body.dataset.version = 'another'")
    master.kill()
    wait(driver, lambda d: mode(d) == "offline", 10)
    master.start()
    wait(driver, lambda d: mode(d) == "outdated")
    assert "Reload" in strip(driver)
    driver.find_element(By.CSS_SELECTOR, "#lost button").click()
    wait(driver, is_live)
