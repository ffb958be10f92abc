"""What is posted, and when it is tried again."""

import json
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred, succeed
from twisted.logger import LogLevel
from twisted.trial.unittest import SynchronousTestCase

from ci_common.faults import ConfigError
from ci_master.reporters.generators.build import (
    BuildStartEndStatusGenerator,
    BuildStatusGenerator,
)
from ci_master.reporters.http import HttpStatusPush
from ci_master.reporters.message import MessageFormatterFunction
from tests.fakes.reporters import FakeSite, build
from tests.unit.reporters.noting import noted


class FakePoster:
    """Notes what is posted, and answers with codes."""

    def __init__(self) -> None:
        self.posts: list[tuple[str, Any, dict[str, str]]] = []
        self.codes: list[int] = []
        self.closed = False

    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        self.posts.append((url, json.loads(body), headers))
        return (self.codes.pop(0) if self.codes else 200), "well"

    def close(self) -> Deferred[None]:
        self.closed = True
        return succeed(None)


class HttpStatusPushTests(SynchronousTestCase):
    def start(self, **kwargs: Any) -> HttpStatusPush:
        self.site = FakeSite()
        reporter = HttpStatusPush("https://example.org/x", **kwargs)
        self.successResultOf(ensureDeferred(reporter.enter(self.site)))  # type: ignore[arg-type]
        self.poster = FakePoster()
        reporter._poster = self.poster  # type: ignore[assignment]
        reporter.startService()
        self.addCleanup(reporter.stopService)
        return reporter

    def test_beginning_and_end_are_posted_whatever_the_result(self) -> None:
        self.start()
        row = self.site.master.add(build(results=5))
        self.site.tell({**row, "results": None}, "new")
        self.site.tell(row, "finished")
        self.assertEqual([body["results"] for _, body, _ in self.poster.posts], [None, 5])
        url, body, headers = self.poster.posts[0]
        self.assertEqual(url, "https://example.org/x")
        self.assertEqual(body["builder"]["name"], "linux")
        self.assertEqual(headers.pop("Content-Type"), "application/json")
        self.assertEqual(list(headers), ["Idempotency-Key"])

    def test_login_and_headers_are_filled_in_for_each_post(self) -> None:
        words = iter(["one", "two"])
        reporter = self.start(auth=("me", "pw"), headers={"X": lambda: next(words)})
        for _ in range(2):
            self.successResultOf(ensureDeferred(reporter.post({})))
        self.assertEqual([headers["X"] for *_, headers in self.poster.posts], ["one", "two"])
        self.assertEqual(self.poster.posts[0][2]["Authorization"], "Basic bWU6cHc=")

    def test_failures_of_the_server_are_tried_again_and_refusals_are_not(self) -> None:
        self.start()
        self.poster.codes = [500, 429, 200]
        row = self.site.master.add(build())
        self.site.tell(row, "finished")
        self.site.clock.pump([1.0] * 20)
        self.assertEqual(len(self.poster.posts), 3)
        self.poster.codes = [404]
        with noted(LogLevel.error) as texts:
            self.site.tell(row, "finished")
        self.assertEqual(len(self.poster.posts), 4)
        self.assertIn("https://example.org/x answered 404: well", texts[0])

    def test_a_report_is_posted_again_with_its_key_and_without_those_that_were_taken(self) -> None:
        whole = MessageFormatterFunction(lambda context: context["build"]["number"], "json")
        generators = [
            BuildStatusGenerator(message_formatter=whole),
            BuildStartEndStatusGenerator(start_formatter=whole, end_formatter=whole),
        ]
        self.start(generators=generators)
        self.poster.codes = [200, 503, 200]
        self.site.tell(self.site.master.add(build()), "finished")
        self.site.clock.pump([1.0] * 5)
        keys = [headers["Idempotency-Key"] for _, _, headers in self.poster.posts]
        self.assertEqual(len(keys), 3)
        self.assertEqual(keys[1], keys[2])
        self.assertNotEqual(keys[0], keys[1])

    def test_connections_end_with_the_service(self) -> None:
        reporter = self.start()
        self.successResultOf(reporter.stopService())
        self.assertTrue(self.poster.closed)

    def test_mistakes_are_told(self) -> None:
        for kwargs, fault in (
            ({"serverUrl": "example.org"}, "no URL of a web server"),
            ({"serverUrl": "http://x", "auth": "me"}, "write auth="),
            ({"serverUrl": "http://x", "headers": ["a"]}, "write headers="),
            ({"serverUrl": "http://x", "format_fn": str}, "message_formatter="),
        ):
            with self.assertRaisesRegex(ConfigError, fault):
                HttpStatusPush(**kwargs)
