"""Unpacking archives of strangers: nothing of them gets out of its directory."""

import bz2
import gzip
import io
import os
import struct
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ci_master.workers import archive
from ci_master.workers.archive import BadArchive

Member = tuple[str, bytes, dict[str, Any]]


def file(name: str, content: bytes = b"x", **more: Any) -> Any:
    return name, content, {"type": tarfile.REGTYPE, **more}


def directory(name: str, **more: Any) -> Any:
    return name, b"", {"type": tarfile.DIRTYPE, "mode": 0o755, **more}


def link(name: str, target: str) -> Any:
    return name, b"", {"type": tarfile.SYMTYPE, "linkname": target}


def hard_link(name: str, target: str) -> Any:
    return name, b"", {"type": tarfile.LNKTYPE, "linkname": target}


def packed(*members: Member, format: int = tarfile.PAX_FORMAT) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=format) as tar:
        for name, content, attributes in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for key, value in attributes.items():
                setattr(info, key, value)
            tar.addfile(info, io.BytesIO(content))
    return data.getvalue()


def unpacked(place: Path, data: bytes, compress: str | None = None) -> archive.Contents:
    """Unpack into an empty directory of this place, as an upload does."""
    source = place / "archive"
    source.write_bytes(data)
    with archive.opened(str(source), compress) as tar:
        contents = archive.examined(tar)
        (place / "into").mkdir()
        archive.unpack(tar, contents, str(place / "into"))
    return contents


def tree(place: Path) -> dict[str, Any]:
    """All that is below a directory: contents of files, texts of links, None for directories."""
    found: dict[str, Any] = {}
    for path in sorted(place.rglob("*")):
        name = str(path.relative_to(place))
        if path.is_symlink():
            found[name] = os.readlink(path)
        else:
            found[name] = None if path.is_dir() else path.read_bytes()
    return found


def test_an_honest_tree_comes_out_as_it_was(tmp_path: Path) -> None:
    data = packed(
        directory(""),
        directory("a"),
        file("a/one", b"1", mode=0o755, mtime=1000.5),
        file("a/two", b"2" * 70_000, mode=0o666),
        hard_link("a/same", "a/one"),
        link("a/up", "../b/three"),
        link("down", "a/one"),
        directory("b"),
        file("b/three", b"3", mode=0o4755),
        file("n" * 200 + "/" + "m" * 200, b"long"),
        file("m\u00e4rz \u20ac.txt", b""),
        directory("empty"),
    )
    contents = unpacked(tmp_path, data)
    into = tmp_path / "into"
    assert contents.left_out == []
    assert tree(into) == {
        "a": None, "a/one": b"1", "a/two": b"2" * 70_000, "a/same": b"1", "a/up": "../b/three",
        "down": "a/one", "b": None, "b/three": b"3", "n" * 200: None,
        "n" * 200 + "/" + "m" * 200: b"long", "m\u00e4rz \u20ac.txt": b"", "empty": None,
    }  # fmt: skip
    modes = {name: (into / name).stat().st_mode & 0o7777 for name in ("a/one", "a/two", "b/three")}
    assert modes == {"a/one": 0o755, "a/two": 0o644, "b/three": 0o755}
    assert (into / "a/one").stat().st_mtime == 1000.5


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("compress", [None, "gz", "bz2"])
def test_all_formats_are_read(tmp_path: Path, format: int, compress: str | None) -> None:
    data = packed(file("d" * 90 + "/" + "f" * 90, b"content"), format=format)
    press: Any = {None: bytes, "gz": gzip.compress, "bz2": bz2.compress}[compress]
    unpacked(tmp_path, press(data), compress)
    assert tree(tmp_path / "into")["d" * 90 + "/" + "f" * 90] == b"content"


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([file("../evil")], "'../evil', which leads out"),
        ([file("a/../../evil")], "which leads out"),
        ([file("/evil")], "the absolute path '/evil'"),
        ([file("//evil")], "the absolute path"),
        ([directory("..")], "which leads out"),
        ([link("l", "d"), file("l/evil")], "'l/evil' is below 'l', which is a link"),
        ([link("l", "/etc"), file("l/evil")], "is below 'l', which is a link"),
        ([file("f"), file("f/evil")], "is below 'f', which is a file"),
        ([file("a"), file("a")], "'a' twice"),
        ([link("a", "b"), file("a")], "'a' twice"),
        ([file("a"), link("./a", "b")], "'a' twice"),
        ([file("")], "without a name"),
        ([file("d/" * 300 + "f")], "a path of 301 parts"),
    ],
)
def test_what_no_honest_archive_has_is_refused_whole(
    tmp_path: Path, members: Any, words: str
) -> None:
    with pytest.raises(BadArchive) as raised:
        unpacked(tmp_path, packed(file("good"), *members))
    assert words in str(raised.value)
    assert os.listdir(tmp_path) == ["archive"]


@pytest.mark.parametrize(
    ("member", "words"),
    [
        (link("l", "/etc/passwd"), "a symbolic link to '/etc/passwd', which leads out"),
        (link("l", ".."), "leads out"),
        (link("d/l", "../.."), "leads out"),
        (link("d/l", "../../x"), "leads out"),
        (link("l", "d/../../x"), "leads out"),
        (link("l", "d/.."), "leads out"),
        (link("l", "..\\x"), "leads out"),
        (link("l", "C:x"), "leads out"),
        (hard_link("h", "/etc/passwd"), "absolute path"),
        (hard_link("h", "../x"), "leads out"),
        (hard_link("h", "nothing"), "'nothing', which is no file of the archive"),
        (hard_link("h", "d"), "which is no file of the archive"),
        (("p", b"", {"type": tarfile.FIFOTYPE}), "p': a pipe"),
        (("p", b"", {"type": tarfile.CHRTYPE, "devmajor": 1}), "a device"),
        (("p", b"", {"type": tarfile.BLKTYPE}), "a device"),
        (file("a\\b"), "a separator of directories"),
        (file("C:evil"), "begins like a drive"),
        (file("a\nb"), "control characters"),
    ],
)
def test_what_cannot_be_made_is_left_out_with_its_path(
    tmp_path: Path, member: Any, words: str
) -> None:
    data = packed(directory("d"), file("good"), member)
    try:
        contents = unpacked(tmp_path, data)
    except BadArchive as error:
        assert words in str(error) and os.listdir(tmp_path) == ["archive"]
        return
    [told] = contents.left_out
    assert words in told
    assert tree(tmp_path / "into") == {"d": None, "good": b"x"}


def test_what_is_below_something_left_out_is_left_out_too(tmp_path: Path) -> None:
    contents = unpacked(tmp_path, packed(file("a\\b/c"), directory("x\ty"), file("x\ty/z")))
    assert len(contents.left_out) == 2 and tree(tmp_path / "into") == {}


def test_a_chain_of_links_does_not_lead_out(tmp_path: Path) -> None:
    """Each link alone stays inside; followed one after another they would not."""
    members = [directory("a/b/c"), link("a/b/c/up", "..")]
    members += [link("first", "a/b/c/up"), link("second", "first/../../..")]
    contents = unpacked(tmp_path, packed(*members))
    assert [told.split(":")[0] for told in contents.left_out] == ["'second'"]
    into = (tmp_path / "into").resolve()
    for name in ("first", "a/b/c/up"):
        assert (into / name).resolve().is_relative_to(into)


@pytest.mark.parametrize("cut", [100, 600, 1024, 1600, 2300])
def test_a_cut_archive_is_noticed(tmp_path: Path, cut: int) -> None:
    data = packed(file("one", b"1" * 700), file("two", b"2" * 700))
    with pytest.raises(BadArchive):
        unpacked(tmp_path, data[:cut])


def test_a_damaged_header_is_not_the_end(tmp_path: Path) -> None:
    data = bytearray(packed(file("one"), file("two"), format=tarfile.USTAR_FORMAT))
    data[1024 + 150] ^= 0xFF  # within the checksum of the second header
    with pytest.raises(BadArchive, match=r"cut off, or damaged|cannot be read"):
        unpacked(tmp_path, bytes(data))


@pytest.mark.parametrize(("compress", "press"), [("gz", gzip.compress), ("bz2", bz2.compress)])
def test_a_bomb_is_refused_before_it_goes_off(
    tmp_path: Path, compress: str, press: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "FREE_GROWTH_BYTES", 64 * 1024)
    data = press(packed(file("zeros", bytes(20_000_000))))
    with pytest.raises(BadArchive, match="compress=None if it is right"):
        unpacked(tmp_path, data, compress)
    assert os.listdir(tmp_path) == ["archive"]


def test_a_header_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    data = packed(file("one"), file("n" * 5_000_000), format=tarfile.GNU_FORMAT)
    with pytest.raises(BadArchive, match="a header of the archive has"):
        unpacked(tmp_path, data)


def test_too_many_entries_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_ENTRIES", 10)
    with pytest.raises(BadArchive, match="more than 10 entries"):
        unpacked(tmp_path, packed(*[file(str(number)) for number in range(11)]))


def test_negative_and_endless_sizes_are_refused(tmp_path: Path) -> None:
    for size in (-512, 2**62):
        info = tarfile.TarInfo("f")
        header = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
        header[124:136] = struct.pack(">4sq", b"\xff" * 4 if size < 0 else b"\x80\0\0\0", size)
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        with pytest.raises(BadArchive):
            unpacked(tmp_path, bytes(header) + bytes(1024))
        assert os.listdir(tmp_path) == ["archive"]


PARTS = st.sampled_from(["a", "b", "c", "..", ".", "", "a\\b", "C:x", "nul", "d\0e"])
PATHS = st.lists(PARTS, min_size=1, max_size=4).map("/".join)
KINDS = st.sampled_from(
    [tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE]
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(members=st.lists(st.tuples(PATHS, KINDS, PATHS), max_size=6))
def test_nothing_ever_appears_outside(
    tmp_path_factory: pytest.TempPathFactory, members: list[tuple[str, bytes, str]]
) -> None:
    place = tmp_path_factory.mktemp("archive")
    try:
        data = packed(
            *[(name, b"", {"type": kind, "linkname": target}) for name, kind, target in members]
        )
        unpacked(place, data)
    except (BadArchive, ValueError):  # or what cannot even be packed
        assert not (place / "into").exists()
    assert {*os.listdir(place)} <= {"archive", "into"}
    into = (place / "into").resolve()
    for folder, folders, files in os.walk(into):
        for name in folders + files:
            assert Path(os.path.realpath(os.path.join(folder, name))).is_relative_to(into)


@settings(max_examples=150, deadline=None)
@given(
    noise=st.binary(max_size=40), where=st.integers(0, 2500), compress=st.sampled_from([None, "gz"])
)
def test_damage_is_a_bad_archive_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, where: int, compress: str | None
) -> None:
    data = bytearray(packed(file("one", b"1" * 300), link("l", "one"), file("d/two", b"2")))
    data[where : where + len(noise)] = noise
    place = tmp_path_factory.mktemp("damage")
    sent = gzip.compress(bytes(data)) if compress else bytes(data)
    try:
        unpacked(place, sent, compress)
    except BadArchive:
        assert not (place / "into").exists()
