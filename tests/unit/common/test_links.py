"""Links that others give."""

import pytest

from ci_common.links import harmless


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        " \tjava\nscript:alert(1)",
        "\x01javascript\x00:alert(1)",
        "vbscript:x",
        "data:text/html,<script>",
    ],
)
def test_a_link_that_runs_a_script_is_marked(url: str) -> None:
    assert harmless(url) == f"unsafe:{url}"


@pytest.mark.parametrize(
    "url", ["https://ci/x?javascript:1", "/javascript:", "", "mailto:a@b", "ssh://host", "x:data:"]
)
def test_other_links_stay(url: str) -> None:
    assert harmless(url) == url
