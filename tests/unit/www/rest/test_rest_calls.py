"""POST below /api/v2: JSON-RPC."""

import json
from typing import Any

from ci_common.faults import Refused
from ci_master.data.actions import ForceRefused
from ci_master.data.arguments import BadArguments
from tests.unit.www.rest.test_rest_get import ApiCase


class CallTests(ApiCase):
    def setUp(self) -> None:
        super().setUp()
        self.called: list[Any] = []
        self.fails: Exception | None = None
        for kind, method in (
            ("builds", "stop"),
            ("forceschedulers", "force"),
            ("workers", "pause"),
        ):
            self.web.data.actions.register(kind, method, self.handler)

    async def handler(self, key: Any, args: dict[str, Any]) -> Any:
        self.called.append((key, args))
        if self.fails is not None:
            raise self.fails
        return [1, {8: 1}]

    def post(self, uri: str, call: Any, **headers: str) -> tuple[int, Any]:
        body = call if isinstance(call, bytes) else json.dumps(call).encode()
        request = self.ask(
            "POST", uri, headers={"content-type": "application/json", **headers}, body=body
        )
        return request.status, json.loads(request.body)

    def call(self, uri: str, method: str, **params: Any) -> tuple[int, Any]:
        call = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
        return self.post(uri, call)

    def test_an_action_is_called_with_who_asks_and_its_result_comes_back(self) -> None:
        answer = self.call("forceschedulers/force", "force", builderid=8, owner="Ada")
        self.assertEqual(answer, (200, {"id": 7, "jsonrpc": "2.0", "result": [1, {"8": 1}]}))
        self.assertEqual(self.called, [("force", {"builderid": 8, "owner": "Ada"})])

    def test_workers_are_named_by_id_or_name_and_builds_by_number_too(self) -> None:
        buildid = self.build()
        for path in ("workers/2", "workers/w2"):
            self.call(path, "pause", reason="x")
        for path in (f"builds/{buildid}", "builders/linux/builds/1"):
            self.call(path, "stop")
        self.assertEqual([key for key, _ in self.called], [2, "w2", buildid, buildid])

    def fault(self, answer: tuple[int, Any]) -> tuple[int, int, Any]:
        status, body = answer
        return status, body["error"]["code"], body["error"]["message"]

    def test_what_is_no_call_is_refused(self) -> None:
        call = {"jsonrpc": "2.0", "id": 7, "method": "x", "params": {}}
        cases: list[tuple[Any, int, str]] = [
            (b"{x", -32700, "JSON parse error: "),
            ([{}], -32600, "JSONRPC batch requests are not supported"),
            (5, -32600, "JSONRPC root object must be an object"),
            ({}, -32600, "missing key 'jsonrpc'"),
            ({**call, "jsonrpc": "1.0"}, -32600, "only JSONRPC 2.0 is supported"),
            ({**call, "method": 7}, -32600, "'method' must be a string"),
            ({**call, "id": []}, -32600, "'id' must be a string, number, or null"),
            ({**call, "id": True}, -32600, "'id' must be a string, number, or null"),
            ({**call, "id": float("nan")}, -32600, "'id' must be a string, number, or null"),
            ({**call, "id": 1.5}, -32600, "'id' must be a string, number, or null"),
            ({**call, "id": float("inf")}, -32600, "'id' must be a string, number, or null"),
            ({**call, "id": 10**30}, -32600, "'id' must be a string, number, or null"),
            ({**call, "id": "\ud800"}, -32600, "'id' must be a string, number, or null"),
            (b'{"id": ' + b"1" * 5000 + b"}", -32700, "JSON parse error: "),
            (b"[" * 15_000, -32700, "JSON parse error: it is nested too deeply"),
            (b"[" * 8_000_000, -32700, "JSON parse error: it has more than 20,000 values"),
            ({**call, "params": []}, -32600, "'params' must be an object"),
        ]
        for body, code, message in cases:
            status, found_code, found = self.fault(self.post("workers/1", body))
            self.assertEqual((status, found_code), (400, code))
            self.assertTrue(found.startswith(message), found)
            self.assertNotIn("id", self.post("workers/1", body)[1])
        wrong = self.ask("POST", "workers/1", headers={"content-type": "text/plain"}, body=b"{}")
        self.assertIn(b"Invalid content-type (use application/json)", wrong.body)

    def test_unknown_paths_and_actions_are_told_apart(self) -> None:
        self.assertEqual(self.fault(self.call("zzz", "x")), (404, -32600, "Invalid path: zzz"))
        for path in ("workers/1", "workers", "masters"):
            answer = self.fault(self.call(path, "nope"))
            self.assertEqual(answer, (501, -32601, "action: nope is not supported"))

    def test_failures_carry_the_id_and_the_code_of_their_kind(self) -> None:
        cases = [
            (ForceRefused({"num": "not a number"}), 400, -32602, {"num": "not a number"}),
            (Refused(403, "you may not"), 403, -32600, "you may not"),
            (Refused(404, "gone"), 404, -32600, "gone"),
            (
                BadArguments({"reason": "must be text"}),
                400,
                -32602,
                "'reason' must be text",
            ),
        ]
        for failure, status, code, message in cases:
            self.fails = failure
            answer = self.call("workers/1", "pause")
            self.assertEqual(self.fault(answer), (status, code, message))
            self.assertEqual(answer[1]["id"], 7)

    def test_a_failure_shows_the_number_under_which_the_log_has_it_and_nothing_else(self) -> None:
        self.fails = KeyError("SELECT secret FROM patches")
        status, code, message = self.fault(self.call("workers/1", "pause"))
        self.assertEqual((status, code), (500, -32603))
        self.assertRegex(message, "^the server failed; .* request [0-9a-f]{8}$")
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)

    def test_wrong_arguments_of_a_force_are_told_by_field(self) -> None:
        self.fails = BadArguments({"builderid": "is none of ours"})
        answer = self.fault(self.call("forceschedulers/f", "force"))
        self.assertEqual(answer, (400, -32602, {"builderid": "is none of ours"}))

    def test_other_sites_cannot_act(self) -> None:
        call = {"jsonrpc": "2.0", "id": 7, "method": "pause", "params": {}}
        status, _ = self.post("workers/1", call, origin="http://evil")
        self.assertEqual((status, self.called), (400, []))

    def test_where_logins_are_configured_nobody_may_act_and_everybody_may_look(self) -> None:
        buildid = self.build()
        for key in ("auth", "authz"):
            self.web.www.update({"auth": None, "authz": None, key: object()})
            why = f"c['www']['{key}'] is configured, but this version has no logins: nobody may act"
            for path, method in (
                ("forceschedulers/force", "force"),
                (f"builds/{buildid}", "stop"),
                ("workers/1", "pause"),
            ):
                self.assertEqual(self.fault(self.call(path, method)), (403, -32600, why))
            self.assertEqual(len(self.get("builds")["builds"]), 1)
        self.assertEqual(self.called, [])
