"""What may be meant by a name that is not there, and what a search opens at once."""

from types import SimpleNamespace
from typing import Any

import pytest

from ci_www.pages.builders import named_exactly
from ci_www.pages.lookup import find_builder, find_worker, nearest_pages
from ci_www.pages.page import NotThere


def data() -> Any:
    def named(*names: str) -> dict[str, Any]:
        return {one: SimpleNamespace(id=id, name=one) for id, one in enumerate(names, 1)}

    builders = named("linux", "linux-gcc", "Docs", "mac os")
    workers = named("w1", "builder-box", "gcc")
    return SimpleNamespace(
        builders=SimpleNamespace(by_name=builders, by_id={}),
        workers=SimpleNamespace(by_name=workers, by_id={}),
    )


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("/bulders", "/builders"),
        ("/Builder", "/builders"),
        ("/builder/linx", "/builders/linux"),
        ("/wokers/w1", "/workers/w1"),
        ("/waterfal", "/waterfall"),
        ("/linux", "/builders/linux"),
        ("/docs", "/builders/Docs"),
        ("/builder-box", "/workers/builder-box"),
        ("/builders/mac%20os/x/y", "/builders/4"),
    ],
)
def test_a_path_that_leads_nowhere_has_the_nearest_page_first(path: str, url: str) -> None:
    assert nearest_pages(data(), path)[0][1] == url


@pytest.mark.parametrize("path", ["/", "/zzzzzz", "/" + "x" * 5000, "/%ff%fe/%00"])
def test_what_is_like_nothing_has_no_nearest_page(path: str) -> None:
    assert nearest_pages(data(), path) == []


def test_a_name_with_a_mistake_offers_the_right_one() -> None:
    with pytest.raises(NotThere) as missing:
        find_builder(data(), "LINUXX")
    assert missing.value.nearest[0] == ("builder linux", "/builders/linux")
    with pytest.raises(NotThere) as missing:
        find_worker(data(), "w2")
    assert missing.value.nearest[0] == ("worker w1", "/workers/w1")
    with pytest.raises(NotThere) as missing:  # it is a worker, not a builder
        find_builder(data(), "builder-box")
    assert missing.value.nearest[0] == ("worker builder-box", "/workers/builder-box")


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("linux", "/builders/linux"),
        ("LINUX", "/builders/linux"),
        ("mac os", "/builders/4"),
        ("w1", "/workers/w1"),
        ("gcc", ""),  # a part of a builder's name as well
        ("lin", ""),
        ("", ""),
    ],
)
def test_a_search_for_exactly_a_name_opens_it(text: str, url: str) -> None:
    assert named_exactly(data(), text) == url
