"""A master behind nginx: below a path, with TLS, with a login, with hooks."""

import base64
import html
import http.client
import json
import re
import ssl
import tempfile
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
import websocket

from tests.conftest import missing
from tests.process import nginx
from tests.process.farm import Farm, Master, farm_in, wait_until
from tests.tools.screenshots import browser, browser_missing

pytestmark = pytest.mark.process

CONFIG = """
class Linked(steps.BuildStep):
    name = 'linked'
    def run(self):
        self.addURL('coverage', '/coverage/1')
        return util.SUCCESS

builder('good', sh('echo fine'), Linked(), tags=['quick'])
builder('bad', sh('echo "E  AssertionError: no"; exit 3', name='test'))
builder('slow', sh('sleep 600', name='sleep'))
builder('waits', sh('true'))
c['workers'] = [worker.Worker('w1', 'secret', max_builds=1)]
c['schedulers'].append(schedulers.AnyBranchScheduler(
    name='any', builderNames=['good'], treeStableTimer=None))
force_all()
c['buildbotURL'] = {url!r}
"""


class Links(HTMLParser):
    """Collects the addresses of a page; a link that is not ours says so."""

    def __init__(self) -> None:
        super().__init__()
        self.ours: set[str] = set()
        self.others: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        for name in ("href", "src", "action", "formaction", "data-url", "data-icon"):
            value = given.get(name)
            if value is not None and not value.startswith("#"):
                where = self.others if given.get("rel") == "noreferrer" else self.ours
                where.add(value)


class Client:
    """Asks nginx, and remembers cookies."""

    def __init__(self, port: int, *, tls: bool = False, source: str = "127.0.0.1") -> None:
        self.port = port
        self.tls = tls
        self.source = (source, 0)
        self.cookies: dict[str, str] = {}
        self.set_cookies: list[str] = []

    def ask(
        self, path: str, *, method: str = "GET", body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        connection: http.client.HTTPConnection
        if self.tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection = http.client.HTTPSConnection(
                "127.0.0.1", self.port, timeout=120, context=context, source_address=self.source
            )
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        sent = {
            "Host": f"localhost:{self.port}",
            "Accept": "text/html",
            **{k.replace("_", "-"): v for k, v in headers.items()},
        }
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        found = answer.read()
        for line in answer.headers.get_all("Set-Cookie") or []:
            self.set_cookies.append(line)
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value
        connection.close()
        return answer.status, {k.lower(): v for k, v in answer.headers.items()}, found

    def form(self, path: str, action: str, fields: str, **headers: str) -> dict[str, str]:
        """Post the form of a page; gives the headers of the answer."""
        status, _, page = self.ask(path, **headers)
        token = re.search(rb'name="csrf" value="([^"]+)"', page)
        assert status == 200 and token, page[:2000]
        assert f'action="{action}"'.encode() in page
        scheme = "https" if self.tls else "http"
        status, given, page = self.ask(
            action, method="POST", body=f"csrf={token[1].decode()}&{fields}".encode(),
            Content_Type="application/x-www-form-urlencoded",
            Origin=f"{scheme}://localhost:{self.port}", **headers,
        )  # fmt: skip
        assert status == 303, re.findall(rb'(?s)id="problems".*?</ul>', page)
        return given


@pytest.fixture(scope="module", params=["kept", "taken off"])
def below(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Master, Client]]:
    """A master with all sorts of builds, below /ci/ of an nginx that keeps or takes it off."""
    nginx.program()
    for farm in farm_in(tmp_path_factory.mktemp("below")):
        master = farm.master()
        front = nginx.Nginx(farm, master_port=master.www_port)
        master.configure(CONFIG.format(url=f"http://localhost:{front.port}/ci/"))
        location = nginx.block("location /ci/ {")
        if request.param == "taken off":
            assert "proxy_pass http://127.0.0.1:8010;" in location
            location = location.replace("127.0.0.1:8010;", "127.0.0.1:8010/;")
        upgrade = nginx.block("map $http_upgrade", "auth_basic").partition("server {")[0]
        front.start(f"{upgrade} server {{ listen 127.0.0.1:{front.port}; {location} }}")
        start_with_builds(farm, master)
        yield master, Client(front.port)


def start_with_builds(farm: Farm, master: Master) -> None:
    master.start()
    farm.worker(master)
    master.wait_for_worker()
    master.forced("bad")
    change = b"author=Dara+%3Cdara@example.org%3E&comments=mend+it&revision=abc123&branch=main"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    status, text = master.rest.open("POST", "/change_hook/base", change, headers)
    assert (status, text) == (200, b"1 change found")
    wait_until(lambda: master.rest.all("builders/good/builds?complete=true"), "a build of good")
    master.build_of(master.force("slow"))
    master.force("waits")


def test_every_address_of_every_page_leads_somewhere(below: tuple[Master, Client]) -> None:
    _, client = below
    todo, seen, pages, outside = ["/ci/"], {"/ci/"}, 0, set()
    per_page: dict[str, int] = {}
    while todo:
        path = todo.pop()
        status, headers, body = client.ask(path)
        kind = headers.get("content-type", "")
        if status in (301, 302, 303, 307, 308):
            found = {headers["location"]}
        else:
            assert status == 200, (path, status, body[:500])
            found = set()
        if "html" in kind:
            pages += 1
            links = Links()
            links.feed(body.decode())
            outside |= links.others
            found |= links.ours
        elif "javascript" in kind:
            found |= set(re.findall(r'from "([^"]+)"', body.decode()))
        for link in found:
            where = urlsplit(urljoin(f"http://localhost:{client.port}{path}", link))
            if where.netloc != f"localhost:{client.port}":
                outside.add(link)
                continue
            assert where.path.startswith("/ci/"), f"{path} points to {link}"
            target = where.path + (f"?{where.query}" if where.query else "")
            per_page[where.path] = per_page.get(where.path, 0) + 1
            if target not in seen and per_page[where.path] <= 12:
                seen.add(target)
                todo.append(target)
    assert "/coverage/1" in outside  # a path of the host: it is a step's own link
    visited = {path.partition("?")[0] for path in seen}
    for wanted in (
        "/ci/builders", "/ci/waterfall", "/ci/queue", "/ci/workers/w1", "/ci/changes/1",
        "/ci/about",
        "/ci/settings", "/ci/api/v2", "/ci/builders/bad/builds/1/steps/1/logs/stdio",
        "/ci/builders/bad/builds/1/steps/1/logs/stdio/raw", "/ci/force/force",
    ):  # fmt: skip
        assert wanted in visited, sorted(visited)
    assert pages > 30


def test_what_is_moved_missing_or_asked_for_without_a_slash(below: tuple[Master, Client]) -> None:
    _, client = below
    assert client.ask("/ci")[0] in (200, 301)
    status, headers, _ = client.ask("/ci/builders/1?x=y")
    assert (status, headers["location"]) == (308, "/ci/builders/good?x=y")
    status, headers, _ = client.ask("/ci/builders/bad/builds/latest")
    assert (status // 100, headers["location"]) == (3, "/ci/builders/bad/builds/1")
    status, _, page = client.ask("/ci/nonsense")
    assert status == 404 and b'href="/ci/builders"' in page
    status, _, page = client.ask("/ci/builders/bad?region=nav")
    assert status == 200 and b'href="/ci/queue"' in page


def test_the_master_can_be_used_on_its_own_port_as_well(below: tuple[Master, Client]) -> None:
    master, _ = below
    for path in ("/", "/ci/", "/builders", "/ci/builders"):
        status, body = master.rest.open("GET", path)
        assert status == 200 and b'href="/ci/waterfall"' in body


def test_forms_and_cookies_stay_below_the_path(below: tuple[Master, Client]) -> None:
    master, client = below
    given = client.form(
        "/ci/force/force?builder=waits", "/ci/force/force", "builderNames=waits&reason=why"
    )
    assert given["location"].startswith("/ci/buildrequests/")
    request = int(re.findall(r"\d+", given["location"])[0])
    _, _, page = client.ask(f"/ci/buildrequests/{request}")
    [asked] = re.findall(rb'href="(/ci/queue/cancel[^"]*)"', page)
    fields = f"request={request}&back=/buildrequests/{request}&reason=enough"
    given = client.form(html.unescape(asked.decode()), "/ci/queue/cancel", fields)
    assert given["location"].startswith(f"/ci/buildrequests/{request}")
    master.finished(request)
    assert client.form("/ci/settings", "/ci/settings", "theme=dark")["location"] == (
        "/ci/settings?saved=1"
    )
    assert len(client.set_cookies) >= 5
    for line in client.set_cookies:
        assert re.search(r"(?i); path=/ci(;|$)", line), line


def test_live_events_come_below_the_path(below: tuple[Master, Client]) -> None:
    master, client = below
    socket = websocket.create_connection(
        f"ws://localhost:{client.port}/ci/ws", timeout=120,
        origin=f"http://localhost:{client.port}",
    )  # fmt: skip
    socket.send(json.dumps({"sub": ["buildrequests/*/new"], "after": 0}))
    stream = http.client.HTTPConnection("localhost", client.port, timeout=120)
    stream.request("GET", "/ci/sse/listen/buildrequests/*/new")
    answer = stream.getresponse()
    assert answer.status == 200 and answer.readline() == b"event: handshake\n"
    request = master.force("waits")
    while f'"buildrequestid": {request}' not in json.dumps(json.loads(socket.recv())):
        pass  # what happened before
    while (line := answer.readline()) and not line.startswith(b"data: {"):
        pass
    assert json.loads(line[6:])["message"]["buildrequestid"] == request
    stream.close()
    socket.close()


def test_hooks_badges_and_rest_work_below_the_path(below: tuple[Master, Client]) -> None:
    _, client = below
    status, _, body = client.ask(
        "/ci/change_hook/base", method="POST", body=b"author=x&comments=more",
        Content_Type="application/x-www-form-urlencoded",
    )  # fmt: skip
    assert (status, body) == (200, b"1 change found")
    status, headers, _ = client.ask("/ci/badges/bad.svg")
    assert (status, headers["content-type"]) == (200, "image/svg+xml; charset=utf-8")
    url = json.loads(client.ask("/ci/api")[2])["api_versions"]["v2"]
    assert url == f"http://localhost:{client.port}/ci/api/v2"
    assert client.ask(urlsplit(url).path + "/builders")[0] == 200
    call = {"jsonrpc": "2.0", "id": 1, "method": "pause", "params": {"reason": "x" * 70000}}
    status, _, body = client.ask(
        "/ci/api/v2/workers/1", method="POST", body=json.dumps(call).encode(),
        Content_Type="application/json",
    )  # fmt: skip
    assert (status, b"reason" in body) == (400, True)  # the master has read it


@pytest.mark.browser
def test_pages_are_live_below_the_path(below: tuple[Master, Client]) -> None:
    if browser_missing():
        missing(str(browser_missing()))
    _, client = below
    base = f"http://localhost:{client.port}/ci"
    with tempfile.TemporaryDirectory() as profile:
        window = browser(profile)

        def is_live() -> bool:
            script = "return document.querySelector('#live').dataset.state"
            return bool(window.execute_script(script) == "live")

        try:
            for path in ("/", "/builders/bad/builds/1", "/waterfall",
                         "/builders/bad/builds/1/steps/1/logs/stdio"):  # fmt: skip
                window.get(base + path)
                wait_until(is_live, f"{path} to be live")
            paths = {one["name"]: one["path"] for one in window.get_cookies()}
            assert paths["tz"] == "/ci" and set(paths.values()) == {"/ci"}
            window.get(f"{base}/#/builders/2/builds/1")  # as links in old mails are
            wait_until(
                lambda: window.current_url == f"{base}/builders/bad/builds/1", "the old link"
            )
            window.find_element("css selector", "body").send_keys("gq")
            wait_until(lambda: window.current_url == f"{base}/queue", "the key for the queue")
            errors = [one for one in window.get_log("browser") if one["level"] == "SEVERE"]
            assert errors == []
        finally:
            window.quit()


LOGIN = """
from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse as Known
c['www']['change_hook_auth'] = [Known(forge=b'hook-secret')]
"""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Master, Client]]:
    """A master behind the nginx with logins of the manual."""
    nginx.program()
    for farm in farm_in(tmp_path_factory.mktemp("guarded")):
        master = farm.master()
        front = nginx.Nginx(farm, master_port=master.www_port)
        config = CONFIG.format(url=f"https://localhost:{front.port}/")
        master.configure(config + nginx.block('c["www"]["auth"] = util.RemoteUserAuth(') + LOGIN)
        front.start(nginx.block("map $http_upgrade", "auth_basic"))
        master.start()
        farm.worker(master)
        master.wait_for_worker()
        yield master, Client(front.port, tls=True)


DARA = {"Authorization": "Basic " + base64.b64encode(b"dara:secret").decode()}
FORGED = {"X_Remote_User": "admin", "X_Forwarded_For": "6.6.6.6"}


def call(method: str, **params: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()


def test_the_name_of_the_login_owns_what_it_does(guarded: tuple[Master, Client]) -> None:
    master, client = guarded
    assert client.ask("/")[0] == 401
    status, _, page = client.ask("/", **DARA, **FORGED)
    assert status == 200 and b"dara</span>" in page and b"admin" not in page
    given = client.form(
        "/force/force?builder=slow",
        "/force/force",
        "builderNames=slow&reason=why",
        **DARA,
        **FORGED,
    )
    request = int(re.findall(r"\d+", given["location"])[0])
    build = master.build_of(request)
    assert master.properties(build)["owner"] == "dara"
    for line in client.set_cookies:
        assert "Secure" in line, line
    stopped = call("stop", reason="enough", owner="admin")
    status, _, body = client.ask(
        f"/api/v2/builds/{build['buildid']}", method="POST", body=stopped,
        Content_Type="application/json", **DARA,
    )  # fmt: skip
    assert status == 200, body
    master.finished(request)
    assert "enough (by dara)" in master.rest.one(f"builds/{build['buildid']}")["state_string"]
    path = f"/api/v2/builds/{build['buildid']}"
    status, _, body = client.ask(
        path, method="POST", body=call("rebuild"), Content_Type="application/json", **DARA
    )
    assert status == 200, body
    again = next(iter(json.loads(body)["result"][1].values()))
    assert master.properties(master.build_of(again))["owner"] == "dara"


def test_who_comes_past_the_proxy_is_nobody(guarded: tuple[Master, Client]) -> None:
    """From loopback it would be believed; so the master is told of another address."""
    master, _ = guarded
    asked = master.rest.open("POST", "/api/v2/workers/1", call("pause"),
                             {"Content-Type": "application/json"})  # fmt: skip
    assert asked[0] == 403 and b"nobody is signed in" in asked[1]
    text = (master.home / "master.cfg").read_text()
    (master.home / "master.cfg").write_text(
        text + "\nc['www']['trusted_proxies'] = ['192.0.2.1']\n"
    )
    assert "update complete" in master.reload()
    headers = {"Content-Type": "application/json", "X-Remote-User": "admin"}
    asked = master.rest.open("POST", "/api/v2/workers/1", call("pause"), headers)
    assert asked[0] == 403
    (master.home / "master.cfg").write_text(text)
    assert "update complete" in master.reload()


def test_hooks_and_badges_need_no_login_and_sign_nobody_in(guarded: tuple[Master, Client]) -> None:
    _, client = guarded
    form = "application/x-www-form-urlencoded"
    forge = "Basic " + base64.b64encode(b"forge:hook-secret").decode()
    hook: dict[str, Any] = {"method": "POST", "body": b"author=x&comments=y", "Content_Type": form}
    assert client.ask("/change_hook/base", **hook)[0] == 401
    status, _, body = client.ask("/change_hook/base", **hook, Authorization=forge)
    assert (status, body) == (200, b"1 change found")
    assert client.ask("/badges/good.svg")[0] == 200
    config = json.loads(client.ask("/config", **DARA)[2])
    assert config["user"] == {"username": "dara"} and "trusted_proxies" not in config
    assert config["auth"] == {"name": "RemoteUserAuth"}


def test_the_access_log_has_who_asked(guarded: tuple[Master, Client]) -> None:
    master, client = guarded
    far = Client(client.port, tls=True, source="127.0.0.2")  # which is no proxy of ours
    far.ask("/about?first", **DARA, **FORGED)
    master.rest.open("GET", "/about?second", None, {"X-Forwarded-For": "198.51.100.7"})

    def lines() -> str:
        return (master.home / "http.log").read_text()

    wait_until(lambda: "about?second" in lines(), "the lines of the access log")
    (first,) = [line for line in lines().splitlines() if "about?first" in line]
    (second,) = [line for line in lines().splitlines() if "about?second" in line]
    assert first.startswith('"127.0.0.2" ')  # 6.6.6.6 is what it says itself
    assert second.startswith('"198.51.100.7" ')


def test_a_large_form_comes_through(guarded: tuple[Master, Client]) -> None:
    _, client = guarded
    body = b"x=" + b"a" * (20 * 1024 * 1024)
    status, _, page = client.ask(
        "/force/force", method="POST", body=body, **DARA,
        Content_Type="application/x-www-form-urlencoded",
    )  # fmt: skip
    assert status in (400, 403) and b"nginx" not in page  # it has no token; but it has arrived


def test_the_simple_site_of_the_manual_works(farm: Farm) -> None:
    master = farm.master()
    front = nginx.Nginx(farm, master_port=master.www_port)
    config = nginx.block('c["buildbotURL"] = "https://ci.example.org/"')
    config = config.replace("ci.example.org", f"localhost:{front.port}").replace(
        "tcp:8010", f"tcp:{master.www_port}"
    )
    master.configure(config + "builder('good', sh('true'))\nforce_all()\n")
    front.start(nginx.block("map $http_upgrade", without="auth_basic"))
    master.start()
    client = Client(front.port, tls=True)
    assert client.ask("/builders/good")[0] == 200
    client.form("/force/force?builder=good", "/force/force", "builderNames=good&reason=why")
    assert all("Secure" in line for line in client.set_cookies) and client.set_cookies
    socket = websocket.create_connection(
        f"wss://localhost:{front.port}/ws", timeout=120, sslopt={"cert_reqs": ssl.CERT_NONE},
        origin=f"https://localhost:{front.port}",
    )  # fmt: skip
    socket.close()
