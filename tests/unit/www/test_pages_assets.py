"""Static files: small, hashed, and whole."""

import gzip
import re
from pathlib import Path

import pytest

from ci_www.pages.assets import Assets
from ci_www.pages.site import STATIC

KB = 1024
BUDGET = {
    "app.css": 10 * KB,
    "base.mjs": 8 * KB,
    "log.mjs": 10 * KB,
    "waterfall.mjs": 5 * KB,
    "build.mjs": 4 * KB,
    "force.mjs": 3 * KB,
    "hash.js": 1 * KB,
    "log.css": 8 * KB,
}


@pytest.fixture(scope="module")
def assets() -> Assets:
    return Assets(STATIC)


@pytest.mark.parametrize("name", BUDGET)
def test_each_file_keeps_within_its_budget(assets: Assets, name: str) -> None:
    assert assets.gzipped_size(name) <= BUDGET[name]


def test_the_column_of_line_numbers_grows_with_them() -> None:
    css = (STATIC / "app.css").read_text()
    columns = re.findall(r"\.ll(?:, [^{}]*)? \{[^}]*grid-template-columns: ([^;}]+)", css)
    assert len(columns) == 3 and all("max-content)" in one for one in columns), columns


def test_a_reason_stands_beside_its_sign() -> None:
    """The class sets its first child in a column of 16 pixels: text alone would be squeezed."""
    for template in (STATIC.parent / "templates").rglob("*.html"):
        for inside in re.findall(r'class="why"[^>]*>(.{0,12})', template.read_text(), re.S):
            assert inside.lstrip().startswith(("{{ shape(", "{% ", "{%-")), (template.name, inside)


def test_the_sprite_is_small(assets: Assets) -> None:
    assert len(gzip.compress(assets.sprite.encode())) <= 6 * KB


def test_modules_import_each_other_by_their_hashed_names(assets: Assets) -> None:
    name = assets.url("log.mjs").rpartition("/")[2]
    asset = assets.find(name)
    assert asset is not None and assets.is_hashed(name)
    assert assets.url("base.mjs").replace("/static/", '"./').encode() in asset.body
    assert gzip.decompress(asset.gzipped) == asset.body


def test_each_result_has_a_favicon(assets: Assets) -> None:
    for kind in ("success", "warnings", "failure", "exception", "running", "waiting", "none"):
        asset = assets.find(f"icon-{kind}.svg")
        assert asset is not None and b"currentColor" not in asset.body


def test_style_sheet_and_sprite_name_no_other_site(assets: Assets) -> None:
    for name in BUDGET:
        asset = assets.find(name)
        assert asset is not None
        assert not re.search(rb"(?:https?:)?//[a-z]+\.", asset.body.replace(b"://$", b""))


def test_a_change_of_a_file_or_a_template_is_another_version(
    assets: Assets, tmp_path: Path
) -> None:
    assert assets.version(tmp_path) == assets.version(tmp_path)
    before = assets.version(tmp_path)
    (tmp_path / "a.html").write_text("<p>")
    changed = assets.version(tmp_path)
    (tmp_path / "a.html").write_text("<b>")
    assert len({before, changed, assets.version(tmp_path)}) == 3
