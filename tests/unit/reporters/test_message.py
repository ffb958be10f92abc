"""The texts of messages."""

from typing import Any

import pytest

from ci_common.faults import ConfigError
from ci_common.results import FAILURE, SUCCESS, WARNINGS
from ci_master.reporters.context import get_detected_status_text
from ci_master.reporters.message import (
    MessageFormatter,
    MessageFormatterEmpty,
    MessageFormatterFunction,
    MessageFormatterFunctionRaw,
    MessageFormatterRenderable,
)
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
    assert made["subject"] == "<linux>: failed build - tea"
    assert made["body"] == (
        "A failed build has been detected on builder <linux> while building tea.\n\n"
        "Full details are available at:\n"
        "    http://ci.example.org/#/builders/7/builds/2\n\n"
        "Build state: failed make\n"
        "Worker: w1\n"
        "Build reason: a push\n"
        "Blamelist: ann\n"
        "Build Source Stamp: [branch main] abc123\n\n"
        "BUILD FAILED: failed make\n"
    )


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
