"""A site whose configuration wants logins: everybody may look, nobody may act."""

from typing import Any

from twisted.internet.defer import ensureDeferred
from twisted.trial.unittest import SynchronousTestCase

from ci_master.data.views import Views
from ci_www import auth
from ci_www.pages.site import PageSite
from tests.fakes.web import FakeRequest, FakeWeb

FORM = {"content-type": "application/x-www-form-urlencoded"}


class ClosedSiteTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.web = FakeWeb()
        self.addCleanup(self.web.close)
        self.successResultOf(ensureDeferred(self.web.open()))
        self.paused: list[Any] = []
        self.web.data.actions.register("workers", "pause", self.pause)
        self.pages = PageSite(self.web.parts, Views(self.web.data.store))

    async def pause(self, key: Any, args: dict[str, Any]) -> None:
        self.paused.append(key)

    def ask(self, method: str, uri: str, **form: str) -> FakeRequest:
        shown = self.web.request()
        token = auth.csrf_token(shown)
        body = "&".join(f"{name}={value}" for name, value in {**form, "csrf": token}.items())
        request = self.web.request(method, uri, headers=FORM, body=body.encode())
        request.path = uri.encode()  # type: ignore[attr-defined]
        request.cookies_in = {name: one["value"] for name, one in shown.cookies_out.items()}
        self.pages.render(request)
        return request

    def test_buttons_act_where_no_logins_are_wanted(self) -> None:
        self.assertEqual(self.ask("POST", "/workers/w1", action="pause").status, 303)
        self.assertEqual(self.paused, [1])

    def test_buttons_answer_why_nobody_may_press_them(self) -> None:
        for key in ("auth", "authz"):
            self.web.www.update({"auth": None, "authz": None, key: object()})
            answer = self.ask("POST", "/workers/w1", action="pause")
            self.assertEqual(answer.status, 403)
            self.assertIn(b"this version has no logins: nobody may act", answer.body)
            self.assertEqual(self.ask("GET", "/workers").status, 200)
        self.assertEqual(self.paused, [])
