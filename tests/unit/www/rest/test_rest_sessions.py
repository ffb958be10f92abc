"""Sessions, forms, hooks and the small resources."""

from typing import Any

from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import NOT_DONE_YET

from ci_common.faults import Refused
from ci_www import auth
from ci_www.auth import tokens
from ci_www.auth.avatar import picture
from ci_www.auth.login import AuthPages
from ci_www.hooks.resource import ChangeHook
from ci_www.rest.badges import Badges
from ci_www.server import strports
from tests.fakes.web import NOW, FakeWeb
from tests.unit.www.rest.test_rest_get import ApiCase


class SessionTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.web = FakeWeb()
        self.addCleanup(self.web.close)

    def again(self, request: Any) -> Any:
        """The next request of the same browser."""
        later = self.web.request()
        later.cookies_in = {name: one["value"] for name, one in request.cookies_out.items()}
        return later

    def test_a_form_is_taken_from_the_session_that_it_was_made_for(self) -> None:
        shown = self.web.request()
        token = auth.csrf_token(shown)
        self.assertNotEqual(token, auth.csrf_token(shown))  # a new disguise each time
        (cookie,) = shown.cookies_out.values()
        self.assertTrue(cookie["httpOnly"])
        self.assertEqual(cookie["sameSite"], b"lax")
        auth.check_csrf(self.again(shown), token)

    def test_forms_without_session_of_others_and_forged_ones_are_refused(self) -> None:
        shown, other = self.web.request(), self.web.request()
        token, foreign = auth.csrf_token(shown), auth.csrf_token(other)
        for request, given in (
            (self.web.request(), token),
            (self.again(shown), foreign),
            (self.again(shown), "###"),
            (self.again(shown), ""),
        ):
            with self.assertRaises(Refused):
                auth.check_csrf(request, given)

    def test_a_form_sent_by_another_site_is_refused(self) -> None:
        shown = self.web.request()
        token = auth.csrf_token(shown)
        posted = self.again(shown)
        posted.requestHeaders.setRawHeaders("origin", ["http://evil"])
        with self.assertRaises(Refused):
            auth.check_csrf(posted, token)

    def test_a_session_says_who_looks_until_its_time_is_over(self) -> None:
        first = self.web.request()
        self.assertIsNone(auth.user_of(first))
        self.web.site.logins.begin(first, {"username": "ann", "email": "ann@example"})
        later = self.again(first)
        self.assertEqual(auth.user_of(later), "ann@example")
        self.web.clock.advance(8 * 24 * 3600)
        self.assertIsNone(auth.user_of(self.again(first)))

    def test_tokens_of_other_keys_and_algorithms_are_worth_nothing(self) -> None:
        claims = {"exp": NOW + 5, "user_info": {}}
        token = tokens.sign(claims, b"key")
        self.assertEqual(tokens.read(token, b"key", NOW), claims)
        self.assertIsNone(tokens.read(token, b"other", NOW))
        self.assertIsNone(tokens.read(token, b"key", NOW + 5))
        head, body, _ = token.split(".")
        for bad in (f"{head}.{body}.", "a.b.c", "", "é.é.é", f"{body}.{head}.x"):
            self.assertIsNone(tokens.read(bad, b"key", NOW))


class LoginTests(ApiCase):
    def login(self) -> bytes:
        request = self.web.request("GET", "")
        request.postpath = [b"login"]
        return AuthPages(self.web.parts).render_GET(request)

    def test_who_wants_to_log_in_hears_why_that_is_impossible(self) -> None:
        self.assertIn(b"everybody may do everything", self.login())
        self.web.www["auth"] = object()
        self.assertIn(b"nobody may act", self.login())


class HookTests(ApiCase):
    def hook(
        self, uri: str, *, body: bytes = b"", method: str = "POST", origin: str = "", **www: Any
    ) -> tuple[int, str]:
        self.web.www.update({"change_hook_dialects": {"base": True}, **www})
        headers = {"content-type": "application/x-www-form-urlencoded"} if body else {}
        if origin:
            headers["origin"] = origin
        request = self.web.request(method, uri, headers=headers, body=body)
        self.assertEqual(ChangeHook(self.web.parts).render(request), NOT_DONE_YET)
        return request.status, request.body.decode()

    def test_a_change_is_stored_when_the_answer_comes(self) -> None:
        body = b"author=Ann&comments=Fix&files=%5B%22a.c%22%5D&properties=%7B%22p%22%3A1%7D&when=5"
        self.assertEqual(self.hook("base", body=body), (200, "1 change found"))
        (change,) = self.get("changes")["changes"]
        self.assertEqual((change["author"], change["files"]), ("Ann", ["a.c"]))
        self.assertEqual(change["properties"], {"p": [1, "Change"]})
        self.assertEqual(change["when_timestamp"], 5)

    def test_without_a_dialect_it_is_the_base_dialect(self) -> None:
        self.assertEqual(self.hook(""), (200, "1 change found"))

    def test_senders_hear_what_is_wrong(self) -> None:
        nope = "The dialect specified, 'nope', wasn't whitelisted in change_hook"
        self.assertEqual(self.hook("nope"), (400, nope))
        later = (
            "The dialect 'github' is configured, but this version does not have it; it has: base"
        )
        dialects = {"base": True, "github": {}}
        self.assertEqual(self.hook("github", change_hook_dialects=dialects), (400, later))
        self.assertEqual(self.hook("base?when=x"), (400, "when is not a time in unix seconds: 'x'"))
        self.assertEqual(self.hook("base?files=zz")[0], 400)
        self.assertEqual(self.get("changes")["changes"], [])

    def test_fields_that_no_change_can_have_are_named_and_nothing_is_stored(self) -> None:
        for field, body in (
            ("branch", b"branch=" + b"b" * 256),
            ("properties", b'properties={"a":NaN}'),
            ("properties", b'properties={"":1}'),
            ("properties", b"properties={%s}" % b",".join(b'"%d":1' % n for n in range(1001))),
            ("when", b"when=1_0"),
        ):
            status, text = self.hook("base", body=b"author=me&" + body)
            self.assertEqual((status, field in text), (400, True), text)
        status, _ = self.hook("base", body=b"author=me&properties=" + b"[" * 9_000)
        self.assertEqual(status, 400)
        self.assertEqual(self.get("changes")["changes"], [])

    def test_a_change_is_posted_by_no_page_of_another_site(self) -> None:
        for method in ("GET", "HEAD", "PUT"):
            status, _ = self.hook("base", method=method)
            self.assertEqual(status, 405)
        checkers = [InMemoryUsernamePasswordDatabaseDontUse(**{"": b""})]
        for keys in (None, False, checkers):
            status, _ = self.hook("base", origin="http://evil.example", change_hook_auth=keys)
            self.assertEqual(status, 403)
            status, _ = self.hook("base", origin="http://ci.example", change_hook_auth=keys)
            self.assertEqual(status, 200)

    def test_a_failure_tells_the_sender_a_number_only(self) -> None:
        def fail(_change: Any) -> str:
            raise ValueError("SELECT secret")

        self.web.data.changes.codebase_of = fail
        status, text = self.hook("base", body=b"author=me")
        self.assertEqual(status, 500)
        self.assertRegex(text, "^Error processing changes.*request [0-9a-f]{8}.$")
        self.flushLoggedErrors(ValueError)

    def test_a_long_form_is_read_in_a_thread(self) -> None:
        threaded: list[Any] = []
        in_thread = self.web.parts.in_thread

        def watched(work: Any, *args: Any) -> Any:
            threaded.append(work)
            return in_thread(work, *args)

        self.web.parts.in_thread = watched
        short = self.hook("base", body=b"author=me&files=[1]")
        self.assertEqual((short[0], threaded), (400, []))
        body = b"author=me&files=[" + b'"a",' * 20_000
        status, text = self.hook("base", body=body)
        self.assertEqual(status, 400, text)
        status, text = self.hook("base", body=body + b'"b"]')
        self.assertEqual((status, text), (200, "1 change found"))
        self.assertEqual(len(threaded), 4)  # each form, and each change

    def test_a_dialect_says_which_methods_do_no_harm(self) -> None:
        class Asks:
            methods = ("POST", "GET")

            def __init__(self, parts: Any, options: Any) -> None:
                pass

            def getChanges(self, request: Any) -> Any:
                return [], None

        dialects = {"asks": {"custom_class": Asks}}
        for method, status in (("GET", 200), ("POST", 200), ("DELETE", 405)):
            answer = self.hook("asks", method=method, change_hook_dialects=dialects)
            self.assertEqual(answer[0], status)

    def test_a_dialect_may_be_the_users_own_and_take_its_time(self) -> None:
        answer: Deferred[Any] = Deferred()

        class Mine:
            def __init__(self, parts: Any, options: Any) -> None:
                self.options = options

            def getChanges(self, request: Any) -> Any:
                return answer

        self.web.www["change_hook_dialects"] = {"mine": {"custom_class": Mine}}
        request = self.web.request("POST", "mine")
        ChangeHook(self.web.parts).render(request)
        self.assertEqual(request.finished, 0)
        answer.callback(([], "git"))
        self.assertEqual(request.body, b"no change found")


class SmallResourceTests(ApiCase):
    def test_a_badge_shows_the_last_result(self) -> None:
        badges = Badges(self.web.data)
        self.assertIn(b"linux: unknown", badges.render_GET(self.web.request("GET", "linux.svg")))
        self.build()
        self.assertIn(b"linux: success", badges.render_GET(self.web.request("GET", "linux.svg")))
        missing = self.web.request("GET", "zz.svg")
        badges.render_GET(missing)
        self.assertEqual(missing.status, 404)

    def test_an_avatar_is_drawn_from_a_name_that_may_be_hostile(self) -> None:
        self.assertIn(">AB<", picture("ann.bee@example.org", 32))
        self.assertIn(">&lt;/<", picture("<script> /x", 32))

    def test_a_port_may_be_a_number_or_a_description(self) -> None:
        self.assertIsNone(strports(None))
        self.assertEqual(strports(8010), "tcp:8010:backlog=4096")
        self.assertEqual(strports("8010"), "tcp:8010:backlog=4096")
        self.assertEqual(strports("tcp:1:interface=x"), "tcp:1:interface=x:backlog=4096")
        self.assertEqual(strports("unix:/x"), "unix:/x")
