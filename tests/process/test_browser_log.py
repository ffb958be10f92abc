"""Reading a log in a browser: matches, errors, keys, line links, addresses, copying."""

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.conftest import missing
from tests.process.farm import Farm, Master, farm_in
from tests.process.test_browser_pages import resize
from tests.process.test_browser_real import one, url, wait
from tests.tools import screenshots
from tests.tools.screenshots import browser_missing

pytestmark = [pytest.mark.browser, pytest.mark.process]

SCRIPT = r"""
import sys
for n in range(3000):
    if n in (700, 1500):
        print('E       AssertionError: assert %d == 2' % n)
        print('E         - 2')
    elif n == 2200:
        print('src/net.c:31:5: error: unknown type name')
    elif n == 900:
        print('see \x1b[32mhttps://ci.example.org/a_(b)?x=1&y=2\x1b[0m, or (http://b.example/c).')
    elif n % 100 == 50:
        print('needle here, and a Needle \x1b[1mnee\x1b[0mdle there %d ' % n + 'word ' * 60)
    else:
        print('line %d of the output' % n + (' wide' * 60 if n % 3 == 0 else ''))
print('javascript:alert(1) https://')
sys.exit(1)
"""

CONFIG = f"""
builder('talk', steps.ShellCommand(name='say', command=['python3', '-c', {SCRIPT!r}]))
builder('mute', sh('seq 2000; exit 7', name='say'))
builder('short', sh('echo one; echo needle; echo fatal: no; exit 3', name='say'))
force_all()
"""


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Master]:
    reason = browser_missing()
    if reason:
        missing(reason)
    for farm in farm_in(tmp_path_factory.mktemp("log")):
        assert isinstance(farm, Farm)
        made = farm.master()
        made.configure(CONFIG)
        made.start()
        farm.worker(made)
        made.wait_for_worker()
        made.forced("talk")
        made.forced("short")
        made.forced("mute")
        yield made


@pytest.fixture(scope="module")
def driver(master: Master) -> Iterator[Any]:
    with screenshots.window() as made:
        yield made


LOG = "/builders/talk/builds/1/steps/say/logs/stdio"


@pytest.fixture
def lines(master: Master) -> list[str]:
    """The lines of the long log; the first has number 1."""
    with urllib.request.urlopen(url(master, LOG + "/raw")) as answer:
        return ["", *answer.read().decode().split("\n")]


def number_of(lines: list[str], text: str, after: int = 0) -> int:
    return next(n for n, line in enumerate(lines) if n > after and text in line)


def text(driver: Any, css: str) -> str:
    return str(one(driver, css).get_attribute("textContent"))


def place(driver: Any, n: int) -> float:
    """Where a line stands in the list: 0 is its upper edge, 1 its lower; 9 if it is not there."""
    return float(
        driver.execute_script(
            """const row = document.getElementById('L' + arguments[0]);
            const list = document.getElementById('loglist').getBoundingClientRect();
            if (!row || row.classList.contains('blank')) return 9;
            return (row.getBoundingClientRect().top - list.top) / list.height;""",
            n,
        )
    )


def seen(driver: Any, n: int) -> bool:
    return 0 <= place(driver, n) < 1


def key(driver: Any, *keys: str) -> None:
    driver.switch_to.active_element.send_keys(*keys)


@pytest.mark.parametrize("width", [1440, 390])
def test_a_line_of_the_address_has_lines_above_it_and_is_marked(
    driver: Any, master: Master, lines: list[str], width: int
) -> None:
    resize(driver, width, 900 if width > 400 else 844)
    last = len(lines) - 2
    for fragment, first, end in (
        ("#L500", 500, 500), ("#L500-L510", 500, 510), ("#L510-500", 500, 510), ("#L40", 40, 40),
        ("#L2000", 2000, 2000), (f"#L{last}", last, last), ("#L99999999", last, last),
    ):  # fmt: skip
        driver.get("about:blank")
        driver.get(url(master, LOG + fragment))
        wait(driver, lambda d, n=first: seen(d, n))
        driver.execute_async_script("setTimeout(arguments[0], 300)")  # what still moves it
        assert 0.1 < place(driver, first) < 0.98, fragment
        marked = [
            int(row.get_attribute("id")[1:])
            for row in driver.find_elements(By.CSS_SELECTOR, ".ll.sel")
        ]
        assert (marked[0], marked[-1]) == (first, end)


def test_matches_are_marked_and_counted(driver: Any, master: Master, lines: list[str]) -> None:
    resize(driver, 1280, 800)
    driver.get(url(master, LOG))
    everything = "\n".join(lines[1:])
    plain = everything.replace("\x1b[1m", "").replace("\x1b[0m", "").lower()
    total = plain.count("needle")
    assert total >= 90
    one(driver, "#lq").send_keys("needle")
    wait(driver, lambda d: f"of {total}" in text(d, "#hits"))
    current = wait(driver, lambda d: d.find_elements(By.CSS_SELECTOR, "mark.cur"))
    assert "".join(piece.text for piece in current).lower() == "needle"
    row = one(driver, ".ll.hit")
    marks = row.find_elements(By.CSS_SELECTOR, "mark")
    assert "".join(m.text for m in marks).lower() == "needle" * 3
    first = int(text(driver, "#hits").split()[0])
    for step, keys in ((1, Keys.ENTER), (2, Keys.ENTER), (1, Keys.SHIFT + Keys.ENTER)):
        key(driver, keys)
        wanted = (first - 1 + step) % total + 1
        wait(driver, lambda d, wanted=wanted: text(d, "#hits").startswith(f"{wanted} of "))
        colours = driver.execute_script(
            """const look = (css) => getComputedStyle(document.querySelector(css)).backgroundColor;
            return [look('mark.cur'), look('mark:not(.cur)')]"""
        )
        assert colours[0] != colours[1]
    one(driver, "#hit-next").click()
    wait(driver, lambda d: text(d, "#hits").startswith(f"{(first + 1) % total + 1} of "))
    one(driver, "[name=case]").click()
    exact = everything.replace("\x1b[1m", "").replace("\x1b[0m", "").count("needle")
    wait(driver, lambda d: f"of {exact}" in text(d, "#hits"))
    one(driver, "#lq").clear()
    one(driver, "#lq").send_keys("not in there")
    wait(driver, lambda d: text(d, "#hits") == "nothing found")
    assert not driver.find_elements(By.CSS_SELECTOR, "mark")


def test_errors_are_counted_and_gone_through_by_key(
    driver: Any, master: Master, lines: list[str]
) -> None:
    resize(driver, 1280, 800)
    driver.get(url(master, LOG + "#L1"))
    # The command itself is no error, though it is printed in the header.
    begin = number_of(lines, "line 0 of")
    first = number_of(lines, "E       AssertionError: assert 700", begin)
    second = number_of(lines, "E       AssertionError: assert 1500", begin)
    third = number_of(lines, "src/net.c:31:5: error", begin)

    wait(driver, lambda d: text(d, "#b-error") == "3 errors")
    for n, number in ((1, first), (2, second), (3, third), (1, first)):
        key(driver, "e")
        wait(driver, lambda d, n=n: text(d, "#b-error") == f"Error {n} of 3")
        wait(driver, lambda d, number=number: seen(d, number))
    key(driver, "E")
    wait(driver, lambda d: text(d, "#b-error") == "Error 3 of 3")
    wait(driver, lambda d: "Error 3 of 3" in text(d, "#say"))


def test_keys_move_without_a_click_first(driver: Any, master: Master, lines: list[str]) -> None:
    resize(driver, 1280, 800)
    driver.get(url(master, LOG + "#L500"))
    wait(driver, lambda d: seen(d, 500))
    last = len(lines) - 2
    key(driver, Keys.HOME)
    wait(driver, lambda d: seen(d, 1))
    key(driver, Keys.END)
    wait(driver, lambda d: seen(d, last))
    top = "return document.getElementById('loglist').scrollTop"
    at = driver.execute_script(top)
    key(driver, Keys.PAGE_UP)
    wait(driver, lambda d: d.execute_script(top) < at - 200)
    at = driver.execute_script(top)
    key(driver, Keys.PAGE_DOWN)
    wait(driver, lambda d: d.execute_script(top) > at + 200)
    at = driver.execute_script(top)
    key(driver, Keys.ARROW_UP)
    wait(driver, lambda d: d.execute_script(top) < at)
    # In the field they are the field's, where it has a use for them.
    one(driver, "#lq").send_keys("abc", Keys.HOME)
    assert driver.execute_script("return document.getElementById('lq').selectionStart") == 0
    one(driver, "#lq").send_keys(Keys.CONTROL, "a")
    one(driver, "#lq").send_keys(Keys.DELETE)


def test_addresses_are_links(driver: Any, master: Master, lines: list[str]) -> None:
    resize(driver, 1280, 800)
    begin = number_of(lines, "line 0 of")
    n = number_of(lines, "https://ci.example.org", begin)
    driver.get(url(master, LOG + f"#L{n}"))
    wait(driver, lambda d: seen(d, n))
    links = driver.find_elements(By.CSS_SELECTOR, f"#L{n} > span a")
    assert [link.get_dom_attribute("href") for link in links] == [
        "https://ci.example.org/a_(b)?x=1&y=2",
        "http://b.example/c",
    ]
    assert all("noopener" in link.get_dom_attribute("rel") for link in links)
    n = number_of(lines, "javascript:", begin)
    driver.get(url(master, LOG + f"#L{n}"))
    wait(driver, lambda d: seen(d, n) and "javascript:" in text(d, f"#L{n}"))
    assert not driver.find_elements(By.CSS_SELECTOR, f"#L{n} > span a")


def test_what_is_copied_is_the_text(driver: Any, master: Master, lines: list[str]) -> None:
    resize(driver, 1280, 800)
    driver.get(url(master, LOG + "#L600"))
    wait(driver, lambda d: seen(d, 600) and seen(d, 602))
    copied = driver.execute_script(
        """const a = document.querySelector('#L600 > span').firstChild;
        const b = document.querySelector('#L602 > span').firstChild;
        const range = document.createRange(); range.setStart(a, 2); range.setEnd(b, 6);
        getSelection().removeAllRanges(); getSelection().addRange(range);
        const event = new ClipboardEvent('copy', {clipboardData: new DataTransfer(),
          bubbles: true, cancelable: true});
        document.dispatchEvent(event);
        return event.clipboardData.getData('text/plain');"""
    )
    assert copied == "\n".join([lines[600][2:], lines[601], lines[602][:6]])
    # What is selected is still there when the list has moved on.
    driver.execute_script("document.getElementById('loglist').scrollTop += 900")
    wait(driver, lambda d: d.find_elements(By.ID, "L690"))
    assert driver.execute_script("return getSelection().toString()").startswith(lines[600][2:20])


def test_a_short_log_has_the_same(driver: Any, master: Master) -> None:
    resize(driver, 390, 844)
    driver.get(url(master, "/builders/short/builds/1/steps/say/logs/stdio?q=needle"))
    wait(driver, lambda d: text(d, "#hits").startswith("1 of "))
    assert driver.find_elements(By.CSS_SELECTOR, "mark.cur")
    wait(driver, lambda d: text(d, "#b-error") == "1 error")
    assert driver.execute_script("return document.documentElement.scrollWidth") <= 390


def test_a_failed_log_without_an_error_opens_at_its_end(driver: Any, master: Master) -> None:
    resize(driver, 1440, 900)
    mute = "/builders/mute/builds/1/steps/say/logs/stdio"
    driver.get(url(master, mute))
    total = int(one(driver, "#loglist").get_attribute("data-total"))
    wait(driver, lambda d: seen(d, total))


def test_long_searches_are_answered_in_parts(master: Master) -> None:
    with urllib.request.urlopen(url(master, LOG + "/search?q=needle&from=1000")) as answer:
        found = json.load(answer)
    assert found["next"] is None and min(found["lines"]) >= 1000
