"""GET below /api/v2, over data on an instant store."""

import gzip
import json
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.trial.unittest import SynchronousTestCase

from ci_master.data.endpoints import reader, steps
from ci_master.data.endpoints.reader import Reader
from ci_www.rest.api import Api
from tests.fakes.web import FakeRequest, FakeWeb

JSON = {"accept": "application/json"}


class ApiCase(SynchronousTestCase):
    """A site with two builders, and a build that printed something."""

    def setUp(self) -> None:
        self.web = FakeWeb()
        self.addCleanup(self.web.close)
        self.wait(self.web.open())
        self.reader = Reader(self.web.data, self.web.parts.force_schedulers)
        self.api = Api(self.web.parts, self.reader)

    def wait(self, work: Any) -> Any:
        done: Deferred[Any] = ensureDeferred(work)
        return self.successResultOf(done)

    def ask(self, method: str, uri: str, **more: Any) -> FakeRequest:
        request = self.web.request(method, uri, **more)
        self.api.render(request)
        self.assertEqual(request.finished, 1, uri)
        return request

    def get(self, uri: str) -> Any:
        request = self.ask("GET", uri, headers=JSON)
        self.assertEqual(request.status, 200, request.body)
        return json.loads(request.body)

    def error(self, uri: str) -> tuple[int, str]:
        request = self.ask("GET", uri, headers=JSON)
        return request.status, json.loads(request.body)["error"]

    def build(self, builderid: int = 1, *, finish: bool = True) -> int:
        """A build with one step and its log; gives its id."""
        data = self.web.data
        _, requests = self.wait(
            data.buildsets.add(
                builderids=[builderid],
                sourcestamps=[{"branch": "main"}],
                properties={"owner": ("ann", "Form")},
            )
        )
        self.wait(data.requests.claim(list(requests.values())))
        build = data.builds.start(builderid, data.requests.open[requests[builderid]], 1)
        data.builds.set_properties(build, {"n": (build.id, "Build"), "owner": ("ann", "Form")})
        step = data.steps.add(build, "compile")
        data.steps.start(step)
        log = data.logs.open(step, "stdio", "s")
        log.append("h", b"run it\n")
        log.append("o", b"one\ntwo\n")
        log.append("e", b"oops\n")
        log.finish()
        data.logs.flush()
        if finish:
            data.steps.finish(step, 0, False)
            data.builds.finish(build, 0)
            data.requests.complete([build.request.id], 0)
        return build.id


class ReadingTests(ApiCase):
    def test_a_collection_carries_its_total(self) -> None:
        found = self.get("builders?limit=1&field=name")
        self.assertEqual(found, {"builders": [{"name": "linux"}], "meta": {"total": 2}})

    def test_a_single_resource_is_a_list_of_one_without_a_total(self) -> None:
        found = self.get("builders/mac")
        self.assertEqual([one["builderid"] for one in found["builders"]], [2])
        self.assertEqual(found["meta"], {})

    def test_programs_get_compact_json_and_people_get_it_indented(self) -> None:
        compact = self.ask("GET", "masters", headers=JSON)
        self.assertEqual(compact.header("content-type"), "application/json; charset=utf-8")
        self.assertIn(b'{"masters":[{"active":true,', compact.body)
        self.assertEqual(compact.header("content-length"), str(len(compact.body)))
        plain = self.ask("GET", "masters")
        self.assertEqual(plain.header("content-type"), "text/plain; charset=utf-8")
        self.assertIn(b'{\n  "masters": [\n    {\n      "active": true, \n', plain.body)

    def test_a_long_body_is_compressed_for_those_who_take_that(self) -> None:
        request = self.ask("GET", "application.spec", headers={**JSON, "accept-encoding": "gzip"})
        self.assertEqual(request.header("content-encoding"), "gzip")
        self.assertIn("specs", json.loads(gzip.decompress(request.body)))

    def test_head_gives_headers_only(self) -> None:
        request = self.ask("HEAD", "builders", headers=JSON)
        self.assertEqual(request.body, b"")
        self.assertNotEqual(request.header("content-length"), "0")

    def test_what_is_wrong_is_said(self) -> None:
        self.assertEqual(self.error("steps"), (404, "Invalid path: steps"))
        self.assertEqual(self.error("builders?foo=1")[0], 400)
        self.assertEqual(self.error("builders/1?name=x"), (400, "this is not a collection"))
        status, text = self.error("builds/999")
        self.assertEqual(status, 404)
        self.assertTrue(text.startswith("not found while getting from endpoint for /builds/n:"))
        self.assertTrue(text.endswith("and {'buildid': 999}"))

    def test_the_list_of_builders_is_encoded_once_for_each_version(self) -> None:
        before = self.get("builders")
        self.assertEqual(self.get("builders"), before)
        self.wait(self.web.data.builders.sync([]))
        self.assertEqual([one["masterids"] for one in self.get("builders")["builders"]], [[], []])

    def test_every_root_collection_answers(self) -> None:
        self.build()
        for link in self.get("")["rootlinks"]:
            if link["name"] == "logchunks":  # a link that leads nowhere by itself
                continue
            found = self.get(link["name"])
            self.assertIn("total", found["meta"], link)

    def test_scripts_of_other_sites_are_refused(self) -> None:
        evil = self.ask("GET", "masters", headers={"origin": "http://evil"})
        self.assertEqual((evil.status, evil.body), (400, b'{"error": "invalid origin"}'))
        ours = self.ask("GET", "masters", headers={"origin": "http://CI.example"})
        self.assertEqual(ours.header("access-control-allow-origin"), "http://ci.example")
        headers = {"origin": "http://ci.example", "access-control-request-method": "POST"}
        self.assertEqual(self.ask("OPTIONS", "masters", headers=headers).status, 200)
        headers["access-control-request-method"] = "PUT"
        refused = self.ask("OPTIONS", "masters", headers=headers)
        self.assertEqual((refused.status, refused.body), (400, b'{"error": "invalid method"}'))
        self.assertEqual(self.ask("PUT", "masters").body, b'{"error": "invalid HTTP method"}')


class BuildTests(ApiCase):
    def test_a_build_is_found_by_id_and_by_number_running_or_not(self) -> None:
        for finish in (False, True):
            buildid = self.build(finish=finish)
            for path in (f"builds/{buildid}", f"builders/linux/builds/{buildid}"):
                (found,) = self.get(f"{path}?property=n&property=zz")["builds"]
                self.assertEqual(found["complete"], finish)
                self.assertEqual(found["properties"], {"n": [buildid, "Build"]})

    def test_properties_of_many_builds_cost_one_question(self) -> None:
        for _ in range(3):
            self.build()
        before = self.web.store.reads
        found = self.get("builders/1/builds?order=-number&limit=2&property=owner")["builds"]
        self.assertEqual([one["number"] for one in found], [3, 2])
        self.assertEqual(found[0]["properties"], {"owner": ["ann", "Form"]})
        self.assertEqual(self.web.store.reads, before + 1)

    def test_pending_requests_are_told_from_memory(self) -> None:
        self.build(finish=False)
        before = self.web.store.reads
        found = self.get("buildrequests?complete=false&property=owner&claimed=1")
        self.assertEqual(found["buildrequests"][0]["properties"], {"owner": ["ann", "Form"]})
        self.assertEqual(self.get("builders/2/buildrequests?complete=0")["buildrequests"], [])
        self.assertEqual(self.web.store.reads, before)

    def test_a_buildset_has_no_result_before_its_end(self) -> None:
        self.build(finish=False)
        for path in ("buildsets/1", "buildsets", "buildsets?results=-1"):
            self.assertEqual(self.get(path)["buildsets"][0]["results"], -1, path)

    def test_parents_that_do_not_exist_are_not_found(self) -> None:
        self.build()
        for path in (
            "builders/1/builds/99/steps",
            "builders/99/builds/1/steps",
            "builders/nobody/builds/1/steps",
            "builders/linux/builds/99/steps",
            "builders/1/builds/99/changes",
            "builders/99/builds/1/changes",
            "builds/99/changes",
            "builders/99/forceschedulers",
            "changes/99/properties_list",
            "builders/nobody/test_result_sets",
            "builds/99/test_result_sets",
            "steps/99/test_result_sets",
            "logs/99/contents",
        ):
            status, text = self.error(path)
            self.assertEqual(status, 404, path)
            self.assertTrue(text.startswith("not found while getting from endpoint for /"), text)

    def test_where_nothing_can_be_the_answer_it_is(self) -> None:
        for path in ("builds/99/steps", "builders/99/builds", "builds/99/data", "steps/99/logs"):
            self.assertEqual(self.get(path)["meta"], {"total": 0}, path)

    def test_the_specification_has_every_path_with_types_that_say_what_may_be_null(self) -> None:
        specs = {one["path"]: one for one in self.get("application.spec")["specs"]}
        self.assertEqual(list(specs), sorted(specs))
        self.assertIn("logs/n:logid/raw", specs)
        self.assertIn("builds/n:buildid/data/i:name/value", specs)
        self.assertIn("builders/:builderid/forceschedulers", specs)
        fields = specs["builds"]["type_spec"]["fields"]
        by_name = {field["name"]: field for field in fields}
        self.assertEqual(by_name["complete_at"]["type"], "datetime or None")
        self.assertEqual(
            by_name["complete_at"]["type_spec"], {"name": "datetime", "can_be_null": True}
        )
        stamps = {f["name"]: f for f in specs["buildsets"]["type_spec"]["fields"]}["sourcestamps"]
        self.assertEqual((stamps["type"], stamps["type_spec"]["type"]), ("list", "list"))
        self.assertEqual(stamps["type_spec"]["of"]["type"], "sourcestamp")

    def test_a_parameter_without_a_value_is_none_and_too_many_are_refused(self) -> None:
        self.assertEqual(self.get("builders?limit&field")["meta"], {"total": 2})
        refused = self.ask("GET", "builders?" + "name=x&" * 2001, headers=JSON)
        self.assertEqual(refused.status, 400)

    def test_a_filter_may_have_many_values(self) -> None:
        self.build()
        for op, found in (("eq", [1]), ("in", [1]), ("ne", []), ("notin", [])):
            query = "&".join(f"buildid__{op}={number}" for number in range(1, 2000))
            builds = self.get(f"builds?{query}")["builds"]
            self.assertEqual([one["buildid"] for one in builds], found, op)
        query = "&".join(f"state_string__contains=b{number}" for number in range(101))
        self.assertEqual(self.error(f"builds?{query}")[0], 400)

    def test_properties_come_as_one_object_or_one_by_one(self) -> None:
        self.build()
        self.assertEqual(
            self.get("buildsets/1/properties")["properties"], [{"owner": ["ann", "Form"]}]
        )
        found = self.get("builds/1/property_list?name=owner")["_properties"]
        self.assertEqual(found, [{"name": "owner", "source": "Form", "value": '"ann"'}])

    def test_workers_are_seen_from_where_the_path_stands(self) -> None:
        self.assertEqual(self.get("builders/2/workers?field=name")["workers"], [{"name": "w2"}])
        (found,) = self.get("builders/2/workers/w2")["workers"]
        self.assertEqual(found["configured_on"], [{"builderid": 2, "masterid": 1}])
        self.assertEqual(self.error("builders/2/workers/w1")[0], 404)


class LogTests(ApiCase):
    def setUp(self) -> None:
        super().setUp()
        self.build()

    def content(self, query: str) -> str:
        (chunk,) = self.get(f"logs/1/contents{query}")["logchunks"]
        return str(chunk["content"])

    def test_lines_carry_the_letter_of_their_stream(self) -> None:
        self.assertEqual(self.content(""), "hrun it\noone\notwo\neoops\n")
        self.assertEqual(self.content("?offset=1&limit=1"), "oone\n")
        by_name = "builders/linux/builds/1/steps/compile/logs/stdio/contents?offset=3"
        self.assertEqual(self.get(by_name)["logchunks"][0]["firstline"], 3)

    def test_beyond_the_end_is_nothing_with_a_limit_and_an_error_without(self) -> None:
        self.assertEqual(self.content("?offset=100&limit=3"), "")
        self.assertEqual(self.error("logs/1/contents?offset=100")[0], 404)
        far = self.get("logs/1/contents?limit=1&offset=99999999999")["logchunks"][0]
        self.assertEqual((far["content"], far["firstline"]), ("", 99999999999))

    def test_there_is_no_chunk_before_the_beginning_or_of_no_lines(self) -> None:
        for query in ("limit=0", "limit=-1", "offset=-1", "limit=2&offset=-5", "limit=0&offset=1"):
            self.assertEqual(self.error(f"logs/1/contents?{query}")[0], 404, query)

    def test_many_lines_are_the_same_json_made_while_it_is_sent(self) -> None:
        for accept in ("application/json", "*/*"):
            whole = self.ask("GET", "logs/1/contents?offset=1", headers={"accept": accept})
            self.patch(steps, "MANY_LINES", 1)
            self.patch(reader, "LINES_AT_ONCE", 2)
            sent = self.ask("GET", "logs/1/contents?offset=1", headers={"accept": accept})
            self.assertEqual(sent.body, whole.body)
            self.assertIsNone(sent.header("content-length"))
            self.patch(steps, "MANY_LINES", 10_000)
        self.patch(steps, "MANY_LINES", 1)
        plain = self.wait(self.reader.plain("logs/1/contents"))
        self.assertEqual(plain["content"], "hrun it\noone\notwo\neoops\n")

    def test_a_download_begins_with_where_it_comes_from(self) -> None:
        request = self.ask("GET", "logs/1/raw")
        self.assertEqual(
            request.body,
            b"Builder: linux\nBuild number: 1\nWorker name: w1\nrun it\none\ntwo\noops\n",
        )
        self.assertEqual(
            request.header("content-disposition"),
            "attachment; filename=linux_build_1_step_compile_log_stdio",
        )
        inline = self.ask("GET", "steps/1/logs/stdio/raw_inline")
        self.assertIsNone(inline.header("content-disposition"))
        self.assertEqual(inline.body, request.body)

    def test_a_download_waits_while_the_client_is_slow(self) -> None:
        blocks: list[Deferred[Any]] = []

        async def read(logid: int, line: int) -> Any:
            blocks.append(Deferred())
            return await blocks[-1]

        self.reader.log_block = read  # type: ignore[method-assign]  # to hold it up
        request = self.web.request("GET", "logs/1/raw_inline")
        self.api.render(request)
        request.producer.pauseProducing()
        blocks[0].callback((b"first\n", 5))
        self.assertNotIn(b"first", request.body)
        self.assertEqual(len(blocks), 2)  # one block is read ahead, no more
        request.producer.resumeProducing()
        self.assertIn(b"first", request.body)
        blocks[1].callback((b"", None))
        self.assertEqual(request.finished, 1)

    def test_a_download_ends_when_the_client_goes(self) -> None:
        blocks: list[Deferred[Any]] = []

        async def read(logid: int, line: int) -> Any:
            blocks.append(Deferred())
            return await blocks[-1]

        self.reader.log_block = read  # type: ignore[method-assign]  # to hold it up
        request = self.web.request("GET", "logs/1/raw_inline")
        self.api.render(request)
        request.producer.stopProducing()
        blocks[0].callback((b"first\n", None))
        self.assertEqual(request.finished, 0)
        self.assertNotIn(b"first", request.body)
