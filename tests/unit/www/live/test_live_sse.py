"""Server-sent events: who listens to what, by the path."""

import json
import re
from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import NOT_DONE_YET

from ci_www.live.hub import Hub
from ci_www.live.sse import ServerSentEvents
from tests.fakes.web import FakeRequest, FakeWeb


class SseTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.web = FakeWeb()
        self.addCleanup(self.web.close)
        self.hub = Hub(self.web.bus, self.web.clock)
        self.hub.start()
        self.resource = ServerSentEvents(self.hub)

    def ask(self, path: str) -> FakeRequest:
        request = self.web.request("GET", path)
        body: Any = self.resource.render_GET(request)
        if body != NOT_DONE_YET:
            request.write(body)
        return request

    def listen(self, path: str) -> tuple[FakeRequest, str]:
        request = self.ask(path)
        found = re.fullmatch(rb"event: handshake\ndata: ([0-9a-f-]{36})\n\n", request.body)
        assert found is not None, (path, request.status, request.body)
        return request, found[1].decode()

    def told(self, request: FakeRequest) -> list[Any]:
        texts = re.findall(rb"event: event\ndata: (.*)\n\n", request.body)
        return [json.loads(text)["key"] for text in texts]

    def test_a_path_is_listened_to_with_and_without_the_verb(self) -> None:
        streams = [self.listen(path)[0] for path in ("listen/builds/*/new", "builds/*/new")]
        self.web.bus.publish(("builds", "1", "new"), {})
        self.web.bus.publish(("steps", "1", "new"), {})
        for stream in streams:
            self.assertEqual(self.told(stream), [["builds", "1", "new"]])

    def test_without_a_path_a_listener_hears_what_is_added(self) -> None:
        for path in ("", "/", "listen", "listen/"):
            stream, name = self.listen(path.lstrip("/"))
            self.web.bus.publish(("builds", "1", "new"), {})
            self.assertEqual(self.ask(f"add/{name}/builds/*/new").body, b"ok")
            self.web.bus.publish(("builds", "2", "new"), {})
            self.assertEqual(self.ask(f"remove/{name}/builds/*/new").body, b"ok")
            self.web.bus.publish(("builds", "3", "new"), {})
            self.assertEqual(self.told(stream), [["builds", "2", "new"]], path)

    def test_what_is_wrong_is_said(self) -> None:
        _, name = self.listen("listen")
        for path, status, text in (
            ("add", 400, "need uuid"),
            ("add/x", 400, "unknown uuid"),
            ("remove/x/y", 400, "unknown uuid"),
            (f"remove/{name}/a/b", 404, "consumer is not listening to this event"),
            (f"add/{name}", 400, "invalid path format ''"),
        ):
            request = self.ask(path)
            self.assertEqual((request.status, request.body.decode()), (status, text), path)

    def test_control_messages_are_not_told(self) -> None:
        stream, name = self.listen("listen/*/*/*/*")
        for path in ("listen/control/builds/*/stop", "control/*", f"add/{name}/control/*"):
            self.assertEqual(self.ask(path).status, 403, path)
        self.web.bus.publish(("control", "builds", "1", "stop"), {})
        self.assertEqual(self.told(stream), [])
