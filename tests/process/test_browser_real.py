"""What people do in a browser, with a real master and a real worker behind it."""

import re
import selectors
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import websocket
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from ci_common.results import SUCCESS
from tests.conftest import missing
from tests.process.farm import Farm, Master, Repository, farm_in
from tests.process.slowness import Slowness
from tests.tools import screenshots
from tests.tools.screenshots import browser_missing

pytestmark = [pytest.mark.browser, pytest.mark.process]

CLIENTS = 100

CONFIG = """
c['workers'] = [worker.Worker('w1', 'secret', max_builds=1)]
c['change_source'].append(changes.GitPoller(
    repourl={url!r}, branches=['main'], pollInterval=1, pollAtLaunch=True, project='demo'))
builder('quick', sh('echo version %(prop:version)s', name='say'))
c['builders'][-1].factory = util.BuildFactory([steps.ShellCommand(
    name='say', command=['echo', util.Interpolate('version %(prop:version)s')])])
builder('talk', sh('for n in $(seq 200); do date "+tick %s.%N"; sleep 0.4; done', name='count'))
builder('pushed', steps.Git(repourl={url!r}, mode='full', method='fresh'))
c['schedulers'].append(schedulers.SingleBranchScheduler(
    name='main', change_filter=util.ChangeFilter(branch='main'), treeStableTimer=None,
    builderNames=['pushed']))
c['schedulers'].append(schedulers.ForceScheduler(
    name='force', builderNames=['quick', 'talk'], buttonName='Start build',
    reason=util.StringParameter(name='reason', label='Reason', required=True, default='because'),
    properties=[
        util.StringParameter(name='version', label='Version', regex='^[0-9.]+$', default='1.0'),
        util.IntParameter(name='level', label='Level', default=3),
    ]))
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A repository with a commit."""
    made = Repository(tmp_path_factory.mktemp("git"))
    made.commit("begin", state="good\n")
    made.push()
    return made


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """What is started here ends with the module."""
    yield from farm_in(tmp_path_factory.mktemp("farm"))


@pytest.fixture(scope="module")
def master(farm: Farm, repository: Repository) -> Master:
    """A master with a worker."""
    reason = browser_missing()
    if reason:
        missing(reason)
    made = farm.master()
    made.configure(CONFIG.format(url=repository.url))
    made.start()
    farm.worker(made)
    made.wait_for_worker()
    return made


@pytest.fixture(scope="module")
def window(master: Master) -> Iterator[Any]:
    """A browser."""
    with screenshots.window(1280) as made:
        yield made


@pytest.fixture
def driver(window: Any) -> Any:
    """The browser, with scripts."""
    window.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    return window


@pytest.fixture
def scriptless(window: Any) -> Iterator[Any]:
    """The browser, without scripts."""
    window.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    yield window
    window.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def url(master: Master, path: str) -> str:
    return f"http://127.0.0.1:{master.www_port}{path}"


def wait(driver: Any, until: Any, seconds: float = 120) -> Any:
    ignored = (NoSuchElementException, StaleElementReferenceException)
    waiting = WebDriverWait(driver, seconds, poll_frequency=0.05, ignored_exceptions=ignored)
    return waiting.until(until)


def one(driver: Any, css: str) -> Any:
    return driver.find_element(By.CSS_SELECTOR, css)


def text_of(driver: Any) -> str:
    return str(driver.find_element(By.TAG_NAME, "main").text)


def is_live(driver: Any) -> bool:
    return bool(one(driver, "#live").get_attribute("data-state") == "live")


def start_build(driver: Any, master: Master, builder: str) -> None:
    """Force through the form; ends on the page of the request or its build."""
    driver.get(url(master, f"/force/force?builder={builder}"))
    one(driver, "form.form button.primary").click()
    wait(driver, lambda d: "/force/" not in d.current_url)


def running_build(driver: Any, master: Master, builder: str) -> str:
    """Force a build and open its page; gives its URL."""
    start_build(driver, master, builder)
    request = re.search(r"/buildrequests/(\d+)", driver.current_url)
    if request and "/builds/" not in driver.current_url:
        build = master.build_of(int(request[1]))
        driver.get(url(master, f"/builders/{builder}/builds/{build['number']}"))
    return str(driver.current_url)


def stop(driver: Any, reason: str) -> None:
    one(driver, "details.pop summary").click()
    field = one(driver, "details.pop input[name=reason]")
    field.send_keys(reason)
    one(driver, "details.pop button[value=stop]").click()


def test_a_form_says_what_is_wrong_then_leads_to_its_build(driver: Any, master: Master) -> None:
    driver.get(url(master, "/force/force?builder=quick"))
    assert "Force a build on quick" in text_of(driver)
    version = one(driver, "[name=version]")
    version.clear()
    version.send_keys("two")
    level = one(driver, "[name=level]")
    level.clear()
    level.send_keys("high")
    one(driver, "form.form button.primary").click()
    problems = wait(driver, lambda d: d.find_element(By.ID, "problems")).text
    assert "2 problems" in problems
    status = driver.execute_script(
        "return performance.getEntriesByType('navigation')[0].responseStatus"
    )
    assert status == 422
    version = one(driver, "[name=version]")
    assert version.get_attribute("value") == "two"
    assert one(driver, "[name=level]").get_attribute("value") == "high"
    assert version.get_attribute("aria-invalid") == "true"
    version.clear()
    version.send_keys("2.5")
    level = one(driver, "[name=level]")
    level.clear()
    level.send_keys("4")
    one(driver, "form.form button.primary").click()
    wait(driver, lambda d: "/buildrequests/" in d.current_url or "/builds/" in d.current_url)
    wait(driver, lambda d: "/builders/quick/builds/" in d.current_url)
    wait(driver, lambda d: d.find_elements(By.CSS_SELECTOR, ".banner.success"))
    build = master.rest.all("builders/quick/builds?order=-number&limit=1")[0]
    assert (master.properties(build)["version"], master.properties(build)["level"]) == ("2.5", 4)


def test_lines_are_seen_within_a_second_of_being_printed(driver: Any, master: Master) -> None:
    where = running_build(driver, master, "talk")
    watched = Slowness()
    driver.execute_script(
        """window.same = true; window.seen = {};
        const look = () => { const now = Date.now() / 1000;
          const text = document.querySelector('main').textContent;
          for (const [tick] of text.matchAll(/tick (\\d+\\.\\d+)/g))
            window.seen[tick] ??= now; };
        look(); window.before = {...window.seen};
        new MutationObserver(look).observe(document.querySelector('main'),
          {subtree: true, childList: true, characterData: true});"""
    )
    with watched:
        wait(driver, lambda d: d.execute_script("return Object.keys(window.seen).length") > 12)
    seen = driver.execute_script("return [window.seen, window.before, window.same]")
    assert seen[2] is True
    late = sorted(
        at - float(tick.split()[1]) for tick, at in seen[0].items() if tick not in seen[1]
    )
    print(f"printed to seen: median {statistics.median(late):.3f} s, most {late[-1]:.3f} s")
    assert late[-1] <= 1.5 * watched.factor and statistics.median(late) <= watched.factor
    driver.get(where)
    stop(driver, "enough")
    wait(driver, lambda d: d.find_elements(By.CSS_SELECTOR, ".banner.cancelled"))


def test_a_build_is_stopped_with_a_reason_and_the_page_says_so(driver: Any, master: Master) -> None:
    running_build(driver, master, "talk")
    wait(driver, lambda d: "tick" in text_of(d))
    stop(driver, "the disk is full")
    wait(driver, lambda d: d.find_elements(By.CSS_SELECTOR, ".banner.cancelled"))
    wait(driver, lambda d: "cancelled" in d.title)
    assert "the disk is full" in text_of(driver)


def test_force_and_stop_work_with_the_keyboard_alone(driver: Any, master: Master) -> None:
    def focused() -> Any:
        return driver.switch_to.active_element

    def tab_to(what: str) -> None:
        for _ in range(60):
            focused().send_keys(Keys.TAB)
            if driver.execute_script("return document.activeElement.matches(arguments[0])", what):
                return
        raise AssertionError(f"no {what} is reached by Tab")

    driver.get(url(master, "/builders/talk"))
    tab_to("a[href^='/force/']")
    focused().send_keys(Keys.ENTER)
    wait(driver, lambda d: "/force/" in d.current_url)
    tab_to("form.form button.primary")
    focused().send_keys(Keys.ENTER)
    wait(driver, lambda d: "/builders/talk/builds/" in d.current_url)
    wait(driver, lambda d: d.find_elements(By.CSS_SELECTOR, "details.pop summary"))
    tab_to("details.pop summary")
    focused().send_keys(Keys.ENTER)
    wait(driver, lambda d: focused() == one(d, "details.pop input[name=reason]"))
    focused().send_keys("by hand", Keys.ENTER)
    wait(driver, lambda d: d.find_elements(By.CSS_SELECTOR, ".banner.cancelled"))


def test_the_waterfall_grows_when_a_push_is_built(
    driver: Any, master: Master, repository: Repository
) -> None:
    driver.get(url(master, "/waterfall?builder=pushed"))
    wait(driver, is_live)
    driver.execute_script("window.same = true")
    boxes = len(driver.find_elements(By.CSS_SELECTOR, ".wf a.box"))
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        repository.commit("a push for the waterfall")
        repository.push()
        time.sleep(1.5)
        if len(driver.find_elements(By.CSS_SELECTOR, ".wf a.box")) > boxes:
            break
    wait(driver, lambda d: len(d.find_elements(By.CSS_SELECTOR, ".wf a.box.success")) > boxes)
    # of several changes that lie together only the title has the subjects
    titles = "return [...document.querySelectorAll('.wf .chg title')].map((one) => one.textContent)"
    wait(driver, lambda d: "a push for" in " ".join(d.execute_script(titles)))
    stated = driver.find_elements(By.XPATH, "//*[contains(text(), 'px/min')]")
    assert len(stated) == 1 and stated[0].find_elements(By.XPATH, "ancestor::*[@data-region='wf']")
    assert driver.execute_script("return window.same") is True


def newest_request(master: Master) -> int:
    newest = master.rest.all("buildrequests?order=-buildrequestid&limit=1")
    return int(newest[0]["buildrequestid"])


def test_everything_can_be_done_without_scripts(scriptless: Any, master: Master) -> None:
    driver = scriptless
    assert master.forced("quick", reason="first")["results"] == SUCCESS
    page = running_build(driver, master, "talk")
    driver.get(page)
    number = int(page.rsplit("/", 1)[1])
    request = master.rest.all(f"builders/talk/builds?number={number}")[0]["buildrequestid"]
    assert "tick" in text_of(driver) or "running" in text_of(driver)
    # The worker is busy, so another request waits and can be cancelled.
    start_build(driver, master, "quick")
    waiting = driver.current_url
    driver.get(waiting)
    assert "/buildrequests/" in driver.current_url
    # The page refreshes itself, so the button may be another one when it is clicked.
    wait(driver, lambda d: one(d, "a#cancel").click() is None)
    wait(driver, lambda d: one(d, "form.ask button.danger").click() is None)
    wait(driver, lambda d: "cancelled" in text_of(d).lower())
    driver.get(page)
    stop(driver, "without a script")
    master.finished(request)
    driver.get(page)
    assert driver.find_elements(By.CSS_SELECTOR, ".banner.cancelled")
    driver.get(url(master, "/builders/quick/builds/latest-success"))
    before = newest_request(master)
    one(driver, "button[value=rebuild]").click()
    wait(driver, lambda _d: newest_request(master) > before)
    assert master.finished(newest_request(master))["results"] == 0
    driver.get(url(master, "/workers/w1"))
    for action, state in (("pause", True), ("unpause", False)):
        for summary in driver.find_elements(
            By.CSS_SELECTOR, "main details.pop:not([open]) summary"
        ):
            summary.click()
        one(driver, f"button[value={action}]").click()
        wait(driver, lambda _d, state=state: master.rest.one("workers/w1")["paused"] is state)


class Crowd:
    """Many WebSocket clients that listen, in one thread."""

    def __init__(self, master: Master, count: int) -> None:
        address = f"ws://127.0.0.1:{master.www_port}/ws"
        self.heard = 0
        self._going = True
        self._waiting = selectors.DefaultSelector()
        self._all = []
        for _ in range(count):
            client = websocket.create_connection(address, timeout=120)
            client.send('{"sub": ["workers/*/*", "builds/*/*"], "after": 0}')
            client.sock.setblocking(False)
            self._waiting.register(client.sock, selectors.EVENT_READ)
            self._all.append(client)
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        while self._going:
            for key, _events in self._waiting.select(0.2):
                data = key.fileobj.recv(65536)  # type: ignore[union-attr]
                self.heard += data.count(b'"k"')
                if not data:
                    self._waiting.unregister(key.fileobj)

    def close(self) -> None:
        self._going = False
        self._thread.join()
        for client in self._all:
            client.sock.close()


def test_changes_of_state_are_seen_at_once_among_many_clients(driver: Any, master: Master) -> None:
    driver.get(url(master, "/workers"))
    wait(driver, is_live)
    driver.execute_script(
        """const main = document.querySelector('main');
        window.paused = () => /paused/i.test(main.querySelector('[data-region] tbody').textContent);
        window.was = window.paused(); window.seen = [];
        new MutationObserver(() => { const now = window.paused();
          if (now !== window.was) { window.was = now; window.seen.push(Date.now() / 1000); } })
          .observe(main, {subtree: true, childList: true, characterData: true});"""
    )
    crowd = Crowd(master, CLIENTS)
    watched = Slowness()
    try:
        late = []
        script = "return window.seen.length"
        with watched:
            for turn in range(20):
                time.sleep(1.1)  # a region is painted at most once a second
                begun = time.time()
                master.rest.call("workers/w1", "unpause" if turn % 2 else "pause", reason="a test")
                wait(driver, lambda d, n=turn + 1: d.execute_script(script) >= n)
                late.append(driver.execute_script("return window.seen.at(-1)") - begun)
    finally:
        crowd.close()
    late.sort()
    median, p95 = statistics.median(late), late[int(len(late) * 0.95) - 1]
    print(
        f"state to DOM with {CLIENTS} clients: median {median * 1000:.0f} ms, "
        f"p95 {p95 * 1000:.0f} ms, most {late[-1] * 1000:.0f} ms"
    )
    assert crowd.heard >= CLIENTS * 19
    assert median <= 0.25 * watched.factor and p95 <= 1.0 * watched.factor


def test_a_page_says_that_the_master_is_away_and_catches_up(driver: Any, master: Master) -> None:
    driver.get(url(master, "/builders/quick"))
    wait(driver, is_live)
    driver.execute_script("window.same = true")
    master.stop()
    wait(driver, lambda d: one(d, "#live").get_attribute("data-state") == "offline")
    assert "Disconnected" in one(driver, "#live .text").get_attribute("textContent")
    master.start()
    master.wait_for_worker()
    build = master.forced("quick", reason="while away", version="3.0", level=1)
    wait(driver, is_live)
    wait(driver, lambda d: f"#{build['number']}" in text_of(d))
    assert driver.execute_script("return window.same") is True


def test_no_complaints_in_the_log(master: Master, farm: Farm) -> None:
    assert "Traceback" not in master.log()
    assert Path(farm.directory).is_dir()
