"""Serve the pages with a made-up farm: ``python -m tests.tools.fake_site PORT [large]``.

For looking at pages without a master: real storage (a temporary SQLite database), real pages,
builds that only pretend.
"""

import sys
import tempfile
from types import SimpleNamespace
from typing import Any

from twisted.internet import defer, endpoints, reactor, threads
from twisted.web.resource import Resource
from twisted.web.server import Site

from ci_common.faults import Refused
from ci_master.data.data import Data
from ci_master.data.views import Views
from ci_master.events.bus import Bus
from ci_master.storage.migrate import upgrade
from ci_master.storage.store import Store
from ci_www.live.hub import Hub
from ci_www.live.upgrade import WebSocketUpgrade
from ci_www.pages.access import Access, viewer_of_cookies
from ci_www.pages.page import Viewer
from ci_www.pages.site import PageSite
from tests.tools.demo_activity import Activity
from tests.tools.demo_farm import Story, TravelClock
from tests.tools.demo_forms import force_schedulers, large_force_schedulers, register_actions
from tests.tools.large_farm import LargeFarm


class Everyone(Access):
    """Lets everyone do everything, as ``ana``."""

    def viewer(self, request: Any) -> Viewer:
        return viewer_of_cookies(request, user="ana", csrf="token")

    def check(self, request: Any, token: str) -> None:
        if token != "token":
            raise Refused(403, "the form has no token")

    def demand(self, request: Any, action: str, kind: str, key: Any) -> None:
        """Nothing is forbidden."""


async def make_site(directory: str, *, hours: int = 30, large: bool = False) -> tuple[Site, Data]:
    """A site with a day of history in a database in this directory.

    :param large: a farm with many builders and long names instead, in which nothing happens.
    """
    upgrade("sqlite:///state.sqlite", directory)
    store = Store("sqlite:///state.sqlite", directory, reactor)
    await store.open()
    clock = TravelClock(reactor)
    data = Data(store, Bus(), clock)  # type: ignore[arg-type]  # as much of a clock as is used
    reactor.addSystemEventTrigger(  # type: ignore[attr-defined]
        "before", "shutdown", lambda: defer.ensureDeferred(store.close())
    )
    await data.open("demo:/srv/ci")
    now = int(reactor.seconds())  # type: ignore[attr-defined]
    if large:
        await LargeFarm(data, clock, now).tell()
    else:
        await Story(data, clock, now).tell(hours)
    register_actions(data)
    parts: Any = SimpleNamespace(
        data=data,
        bus=data.bus,
        clock=reactor,
        config=SimpleNamespace(title="Example CI", titleURL="/", buildbotURL="http://localhost/"),
        in_thread=lambda work, *args: threads.deferToThread(work, *args),
        force_schedulers=large_force_schedulers if large else force_schedulers,
        basedir=directory,
        www={},
    )
    hub = Hub(data.bus, reactor)
    hub.start()
    root = _Root(PageSite(parts, Views(store), access=Everyone()))
    root.putChild(b"ws", WebSocketUpgrade(hub, parts))
    site = Site(root)
    site.policy = SimpleNamespace(  # type: ignore[attr-defined]  # asked by the upgrade
        origin_allowed=lambda *_what: True, may=lambda *_what: True, demand=lambda *_what: None
    )
    site.logins = SimpleNamespace(user_info=lambda _request: {"anonymous": True})  # type: ignore[attr-defined]
    return site, data


class _Root(Resource):
    def __init__(self, pages: PageSite) -> None:
        super().__init__()
        self._pages = pages

    def getChild(self, path: bytes, request: Any) -> Any:
        return self._pages


async def main(port: str, farm: str = "") -> None:
    directory = tempfile.mkdtemp(prefix="fake-site-")
    site, data = await make_site(directory, large=farm == "large")
    if farm != "large":
        reactor.callLater(5, Activity(data).go_on)  # type: ignore[attr-defined]
    listening = await endpoints.serverFromString(reactor, f"tcp:{port}:interface=127.0.0.1").listen(
        site
    )
    print(f"http://127.0.0.1:{listening.getHost().port}", flush=True)


if __name__ == "__main__":
    started = defer.ensureDeferred(main(*sys.argv[1:]))
    started.addErrback(lambda failure: (failure.printTraceback(), reactor.stop()))  # type: ignore[attr-defined]
    reactor.run()  # type: ignore[attr-defined]
