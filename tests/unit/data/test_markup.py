"""Descriptions as HTML."""

import pytest

from ci_master.data.markup import markdown_html, stored_html


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        '<img src=x onerror="alert(1)">',
        '<a href="javascript:alert(1)">x</a>',
        "[x](javascript:alert(1))",
        "[x](data:text/html,alert)",
        "<iframe src=//evil></iframe>",
        "<form action=//evil><input></form>",
        '<p style="background:url(//evil)">x</p>',
        "<svg><script>alert(1)</script></svg>",
        "<base href=//evil>",
        "<meta http-equiv=refresh content=0>",
        '<object data="x"></object>',
    ],
)
def test_what_could_do_harm_is_left_out(text: str) -> None:
    as_stored = text if text.startswith("<") else "<p>"
    for html in (markdown_html(text), stored_html(as_stored) or ""):
        for word in ("script", "alert", "onerror", "evil", "iframe", "style", "meta", "object"):
            assert word not in html, html


def test_markdown_stays_markdown() -> None:
    html = markdown_html("# Nightly\n\n* **all** of [it](https://example.org/a?b=1&c=2)\n")
    assert "<h1>Nightly</h1>" in html and "<strong>all</strong>" in html
    assert 'href="https://example.org/a?b=1&amp;c=2"' in html


def test_nothing_stays_nothing() -> None:
    assert stored_html(None) is None
