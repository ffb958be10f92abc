"""The texts of messages."""

from typing import Any

import pytest

from ci_common.faults import ConfigError
from ci_common.results import CANCELLED, FAILURE, SUCCESS, WARNINGS
from ci_master.reporters.context import failure_of, get_detected_status_text, headline_of
from ci_master.reporters.generators.build import BuildStatusGenerator
from ci_master.reporters.message import (
    MessageFormatter,
    MessageFormatterEmpty,
    MessageFormatterFunction,
    MessageFormatterFunctionRaw,
    MessageFormatterRenderable,
)
from ci_master.storage.views_outcome import Outcome
from tests.fakes.reporters import STAMP, FakeMaster, build
from tests.unit.reporters.test_generators import result_of


def message(formatter: Any, **more: Any) -> Any:
    row = build(results=FAILURE, **more)
    row["buildset"] = {"reason": "a push", "sourcestamps": [STAMP]}
    row["builder"] = {"name": "<linux>"}
    row["properties"] = {"workername": ("w1", "Worker")}
    return result_of(
        formatter.format_message_for_build(FakeMaster(), row, users=["ann"], mode=("failing",))
    )


def test_the_usual_message() -> None:
    made = message(MessageFormatter())
    assert made["type"] == "plain"
    assert made["subject"] == "<linux> (main): failed build - failed make"
    assert made["body"] == (
        "<linux> #2 on main: failed build\n\n"
        "failed make\n\n"
        "http://ci.example.org/#/builders/7/builds/2\n\n"
        "Build Source Stamp: [branch main] abc123\n\n"
        "Project: tea\n"
        "Worker: w1\n"
        "Reason: a push\n"
        "Blamelist: ann\n"
    )


def told(kind: str, formatter: Any = MessageFormatter, **more: Any) -> Any:
    """The usual message of a build of two commits that failed."""
    master = FakeMaster()
    master.add(build(1, SUCCESS))
    row = master.add(build(2, FAILURE, failure="test: exit 1 - 3 failed, 77 passed"))
    master.data.things["builds", 102, "changes"] = [
        {"author": "Ann <ann@x>", "comments": "Fix the <tax>", "revision": "4f2c1a9" * 5},
        {"author": "Bob", "comments": "More"},
    ]
    generator = BuildStatusGenerator(
        mode=("change",), message_formatter=formatter(template_type=kind, **more)
    )
    return result_of(generator.generate(master, None, ("builds", "102", "finished"), row))


def test_the_usual_message_says_what_failed_of_which_commits() -> None:
    made = told("plain")
    assert made["subject"] == "linux (main): new failure - test: exit 1 - 3 failed, 77 passed"
    assert made["body"].startswith(
        "linux #2 on main: new failure\n\n"
        "test: exit 1 - 3 failed, 77 passed\n\n"
        "http://ci.example.org/#/builders/7/builds/2\n\n"
        "Commits:\n"
        "  4f2c1a94f2: Fix the <tax>\n"
        "    by Ann <ann@x>\n"
        "  abc123: More\n"
        "    by Bob\n\n"
        "Before: #1, success\n"
    )
    html = told("html")["body"]
    for part in (
        "test: exit 1 - 3 failed, 77 passed",
        '<a href="http://ci.example.org/#/builders/7/builds/2">#2</a> on main: new failure',
        "<code>4f2c1a94f2</code> Fix the &lt;tax&gt;<br>by Ann &lt;ann@x&gt;",
    ):
        assert part in html


def test_templates_know_what_failed_and_the_commits() -> None:
    made = told(
        "plain",
        template="{{ summary }} {{ commits[1].author }} {{ before.number }} {{ is_trial }}",
        subject="{{ buildername }} {{ branch }} {{ failure }}",
    )
    assert made["body"] == "BUILD FAILED: test: exit 1 - 3 failed, 77 passed Bob 1 False"
    assert made["subject"] == "linux main test: exit 1 - 3 failed, 77 passed"


def test_a_subject_is_one_line_of_bounded_length() -> None:
    made = told("plain", subject="{{ 'a\\nb ' * 400 }}")
    assert len(made["subject"]) == 250 and made["subject"].startswith("a b a b")


@pytest.mark.parametrize(
    ("results", "line"),
    [
        ([FAILURE, SUCCESS], "1 of 2 builds failed (main): b0"),
        ([SUCCESS, WARNINGS], "all 2 builds passed (main): b0, b1"),
        ([FAILURE], "b0 (main): failure"),
        ([FAILURE, CANCELLED, SUCCESS], "2 of 3 builds failed (main): b0, b1"),
    ],
)
def test_a_buildset_is_summed_up_in_a_line(results: list[int], line: str) -> None:
    builds = [{"results": one, "builder": {"name": f"b{n}"}} for n, one in enumerate(results)]
    assert headline_of(builds, "main") == line


def test_the_subject_of_a_buildset_counts_its_builds_and_says_what_failed() -> None:
    builds = [
        {**build(n, FAILURE, failure=f"test: exit {n}"), "url": "u", "builder": {"name": f"b{n}"}}
        for n in (1, 2)
    ]
    master = FakeMaster()
    for one in builds:
        master.add(one)
    buildset = {"reason": "", "results": FAILURE, "sourcestamps": [STAMP]}
    made = result_of(MessageFormatter().format_message_for_buildset(master, buildset, builds))
    assert made["subject"] == "2 of 2 builds failed (main) - b1: test: exit 1; b2: test: exit 2"
    assert made["body"].startswith("2 of 2 builds failed (main): b1, b2\n\nb1 #1: failure - test")


@pytest.mark.parametrize(
    "results, known, told",
    [
        (WARNINGS, "lint: exit 3", "lint: exit 3"),
        (WARNINGS, "", ""),
        (CANCELLED, "enough, in step 'make'", "enough, in step 'make'"),
        (CANCELLED, "", "failed make"),
        (SUCCESS, "x", ""),
        (None, "x", ""),
    ],
)
def test_why_a_build_did_not_do_well(results: int | None, known: str, told: str) -> None:
    row = {"results": results, "state_string": "failed make"}
    assert failure_of(row, Outcome(failure=known)) == told


def test_what_goes_into_html_is_escaped() -> None:
    assert "&lt;linux&gt;" in message(MessageFormatter(template_type="html"))["body"]


def test_a_template_sees_the_context_and_what_was_added() -> None:
    class Louder(MessageFormatter):
        async def buildAdditionalContext(self, master: Any, ctx: Any) -> None:
            await super().buildAdditionalContext(master, ctx)
            ctx["loud"] = ctx["buildername"].upper()

    formatter = Louder(
        template='{"n": {{ build.number }}, "loud": "{{ loud }}", "x": "{{ x }}"}',
        subject="a\nb {{ result_names[results] }}",
        template_type="json",
        ctx={"x": "y"},
        extra_info_cb=lambda context: {"for": {"builder": context["buildername"]}},
    )
    assert message(formatter) == {
        "body": {"n": 2, "loud": "<LINUX>", "x": "y"},
        "subject": "a b failure",
        "type": "json",
        "extra_info": {"for": {"builder": "<linux>"}},
    }


def test_functions_make_messages() -> None:
    async def number(context: Any) -> Any:
        return context["build"]["number"]

    assert message(MessageFormatterFunction(number, "json"))["body"] == 2
    raw = MessageFormatterFunctionRaw(lambda master, ctx: {"body": ctx["summary"], "type": "html"})
    assert message(raw) == {
        "body": "BUILD FAILED: failed make",
        "type": "html",
        "subject": None,
        "extra_info": None,
    }


def test_renderables_and_empty_messages() -> None:
    made = message(MessageFormatterRenderable(lambda props: props["workername"][0], "Hi"))
    assert (made["body"], made["subject"]) == ("w1", "Hi")
    assert message(MessageFormatterEmpty())["body"] is None


def test_content_of_logs_needs_logs_and_steps() -> None:
    formatter = MessageFormatter(want_logs_content=["stdio"])
    assert (formatter.want_logs, formatter.want_steps) == (True, True)


@pytest.mark.parametrize(
    ("mode", "results", "before", "text"),
    [
        (("failing",), FAILURE, SUCCESS, "failed build"),
        (("problem",), FAILURE, SUCCESS, "new failure"),
        (("change",), SUCCESS, FAILURE, "restored build"),
        (("change",), SUCCESS, None, "passing build"),
        (("warnings",), WARNINGS, None, "problem in the build"),
        ((), None, None, "not finished build"),
    ],
)
def test_what_has_happened_in_words(mode: Any, results: Any, before: Any, text: str) -> None:
    assert get_detected_status_text(mode, results, before) == text


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (lambda: MessageFormatter(template="a\n{{ b"), "line 2 of the template of the message"),
        (lambda: MessageFormatter(template_type="text"), "known types: plain, html, json"),
        (lambda: MessageFormatterFunction("f", "plain"), "cannot be called"),
    ],
)
def test_mistakes_are_told(make: Any, fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        make()
