"""Results, times and sizes as people read them."""

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from ci_www.pages import times
from ci_www.pages.urls import builder_segment, web_link, with_query
from ci_www.pages.words import GLYPHS, WORDS, kind_of, mark_of, plural

NOON = 1_763_640_000  # 2025-11-20 12:00:00 UTC


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (9.4, "9 s"),
        (60, "1 min"),
        (250, "4 min 10 s"),
        (7500, "2 h 05 min"),
        (3 * 86400 + 4 * 3600, "3 d 4 h"),
        (None, "\u2013"),
        (-5, "0 s"),
    ],
)
def test_durations_have_the_units_people_use(seconds: float | None, text: str) -> None:
    assert times.duration(seconds) == text


def test_a_time_of_today_has_seconds_and_an_older_one_its_date() -> None:
    assert times.clock(NOON, NOON + 60, UTC) == "12:00:00"
    assert times.clock(NOON - 86400, NOON, UTC) == "Nov 19 12:00"
    assert times.clock(NOON - 400 * 86400, NOON, UTC) == "2024-10-16"


def test_times_are_told_in_the_zone_of_the_viewer_and_in_utc() -> None:
    zone = ZoneInfo("Europe/Berlin")
    assert times.clock(NOON, NOON, zone) == "13:00:00"
    assert times.full(NOON, zone) == "Thu 2025-11-20 13:00:00 CET (12:00:00 UTC)"


@pytest.mark.parametrize(
    ("apart", "text"),
    [(0, "now"), (12, "12 s ago"), (300, "5 min ago"), (-300, "in 5 min"), (200_000, "2 d ago")],
)
def test_relative_times_name_one_unit(apart: int, text: str) -> None:
    assert times.relative(NOON - apart, NOON) == text


def test_moments_of_query_strings_are_understood_or_none() -> None:
    assert times.moment("-12h", NOON) == NOON - 12 * 3600
    assert times.moment("now", NOON) == NOON
    assert times.moment("2025-11-20T12:00:00Z", 0) == NOON
    assert times.moment(str(NOON), 0) == NOON
    for wrong in ("", "-h", "yesterday", "-12y", "9" * 40):
        assert times.moment(wrong, NOON) is None


def test_sizes_use_the_largest_unit_that_fits() -> None:
    assert [times.size(n) for n in (812, 6100, 3_400_000, 999_999)] == [
        "812 B",
        "6.1 KB",
        "3.4 MB",
        "1.0 MB",
    ]


def test_every_kind_has_a_word_and_a_glyph() -> None:
    assert set(WORDS) == set(GLYPHS)
    assert [kind_of(code) for code in range(7)] == [
        "success", "warnings", "failure", "skipped", "exception", "retry", "cancelled",
    ]  # fmt: skip
    assert mark_of(None, complete=False).word == "running"
    assert kind_of(-1) == "waiting"


def test_plurals_group_thousands() -> None:
    assert plural(1, "line") == "1 line"
    assert plural(1_000_000, "line") == "1\u202f000\u202f000 lines"


def test_a_builder_whose_name_cannot_stand_in_a_url_is_named_by_its_id() -> None:
    assert builder_segment(7, "linux-py3.12") == "linux-py3.12"
    for name in ("deploy staging", "123", "a/b", "..", "gr\u00fcn", ""):
        assert builder_segment(7, name) == "7"


def test_only_web_addresses_are_linked() -> None:
    assert web_link("https://example.org/x") == "https://example.org/x"
    assert web_link("/workers/a") == "/workers/a"
    for bad in ("javascript:alert(1)", "//evil.example", "data:text/html,x", "", None):
        assert web_link(bad) is None


def test_query_arguments_that_are_empty_are_left_out() -> None:
    assert with_query("/x", a="", b=None, c="1", from_="2") == "/x?c=1&from=2"
