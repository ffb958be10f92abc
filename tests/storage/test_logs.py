"""Logs go into storage as printed, and come out by line, whole or in part."""

import random

import pytest
from sqlalchemy import select

from ci_common.errorline import END_BYTES
from ci_master.data.builders import BuilderSpec
from ci_master.data.logs import CHUNK_BYTES, FLUSH_S, LONGEST_LINE_BYTES, LogWriter
from ci_master.data.model import StepRow
from ci_master.storage import logchunks, schema
from tests.storage.harness import Desk


@pytest.fixture
def step(desk: Desk) -> StepRow:
    desk.run(desk.data.builders.sync([BuilderSpec("b")]))
    _, requests = desk.run(desk.data.buildsets.add(builderids=[1]))
    request = desk.data.requests.open[requests[1]]
    return desk.data.steps.add(desk.data.builds.start(1, request, None), "step")


@pytest.fixture
def log(desk: Desk, step: StepRow) -> LogWriter:
    return desk.data.logs.open(step, "stdio")


def lines(desk: Desk, log: LogWriter, first: int = 0, count: int = 1_000_000) -> bytes:
    desk.settle()
    return desk.run(desk.store.read(lambda tx: logchunks.lines(tx, log.id, first, count)))


def raw(desk: Desk, log: LogWriter, limit: int = 100_000) -> bytes:
    desk.settle()
    whole, at = b"", 0
    while at is not None:
        begin = at
        block, at = desk.run(
            desk.store.read(lambda tx, begin=begin: logchunks.blocks(tx, log.id, begin, limit))
        )
        whole += block
    return whole


def test_streams_are_told_apart_line_by_line(desk: Desk, log: LogWriter) -> None:
    log.append("h", b"make\n")
    log.append("o", b"one\ntwo\n")
    log.append("e", b"oops\n")
    log.append("o", b"three\n")
    log.finish()
    assert lines(desk, log) == b"hmake\noone\notwo\neoops\nothree\n"
    assert raw(desk, log) == b"make\none\ntwo\noops\nthree\n"
    assert log.num_lines == 5


def test_a_part_of_a_log_is_cut_across_its_streams(desk: Desk, log: LogWriter) -> None:
    log.append("o", b"0\n1\n")
    log.append("e", b"2\n3\n")
    log.append("o", b"4\n")
    log.finish()
    assert lines(desk, log, 1, 3) == b"o1\ne2\ne3\n"
    assert lines(desk, log, 4, 10) == b"o4\n"
    assert lines(desk, log, 5, 10) == b""
    assert lines(desk, log, 2, 0) == b""
    assert lines(desk, log, 4, 10**12) == b"o4\n"
    assert lines(desk, log, 10**12, 1) == b""


def test_text_waits_for_the_end_of_its_line(desk: Desk, log: LogWriter) -> None:
    log.append("o", b"hal")
    log.append("e", b"other\n")
    assert log.num_lines == 1
    log.append("o", b"f\nrest")
    log.finish()
    assert lines(desk, log) == b"eother\nohalf\norest\n"


def test_a_line_without_an_end_is_cut(desk: Desk, log: LogWriter) -> None:
    for _ in range(20):
        log.append("o", b"x" * 10_000)
    log.finish()
    assert log.num_lines == 3
    assert max(map(len, raw(desk, log).splitlines())) <= LONGEST_LINE_BYTES + 10_000


def test_many_lines_become_few_chunks_and_every_line_is_found(desk: Desk, log: LogWriter) -> None:
    rng = random.Random(7)
    expected = [f"{n} {rng.getrandbits(rng.randrange(8, 400)):x}" for n in range(20_000)]
    at = 0
    while at < len(expected):
        step = rng.randrange(1, 500)
        part = "".join(f"{line}\n" for line in expected[at : at + step])
        log.append(rng.choice("oe"), part.encode())
        at += step
    log.finish()
    assert log.num_lines == len(expected)
    assert raw(desk, log).decode().splitlines() == expected
    for first in rng.sample(range(20_000), 20):
        found = lines(desk, log, first, 3).decode().splitlines()
        assert [line[1:] for line in found] == expected[first : first + 3]
    chunks = desk.run(
        desk.store.read(lambda tx: tx.execute(select(schema.logchunks.c.num_bytes)).all())
    )
    assert len(chunks) <= 2 + log.num_bytes // CHUNK_BYTES


def test_a_slow_log_grows_its_last_chunk(desk: Desk, log: LogWriter) -> None:
    for number in range(50):
        log.append("o", f"line {number}\n".encode())
        desk.reactor.advance(FLUSH_S)
        desk.settle()
    log.finish()
    desk.settle()
    count = desk.run(
        desk.store.read(lambda tx: len(tx.execute(select(schema.logchunks.c.id)).all()))
    )
    assert count == 1
    assert lines(desk, log, 48, 9) == b"oline 48\noline 49\n"


def test_what_has_come_can_be_read_before_the_end(desk: Desk, log: LogWriter) -> None:
    log.append("o", b"first\n")
    desk.reactor.advance(FLUSH_S)
    assert lines(desk, log) == b"ofirst\n"
    assert ("logs", str(log.id), "append") in desk.events


def test_whoever_follows_a_log_hears_of_its_last_lines_before_its_end(
    desk: Desk, log: LogWriter
) -> None:
    log.append("o", b"first\nlast")
    log.finish()
    desk.settle()
    told = [
        (key[2], message["num_lines"], message["complete"])
        for key, message in zip(desk.events, desk.messages, strict=True)
        if key[:2] == ("logs", str(log.id))
    ]
    assert told == [("new", 0, False), ("append", 2, False), ("finished", 2, True)]


def test_whoever_sends_too_much_has_to_wait_until_it_is_stored(desk: Desk, log: LogWriter) -> None:
    while log.has_room:
        log.append("o", b"0123456789\n" * 10_000)
    room = log.room()
    assert not room.called
    desk.run(room)
    assert log.has_room
    assert log.backlog_bytes < CHUNK_BYTES


@pytest.mark.parametrize("method", sorted(logchunks.METHODS))
def test_every_method_of_compression_gives_back_what_it_took(
    desk: Desk, log: LogWriter, method: str
) -> None:
    if method in ("br", "lz4"):
        pytest.importorskip("brotli" if method == "br" else "lz4.block")
    desk.data.context.log_compression = method
    log.append("o", b"text\n" * 1000)
    log.finish()
    assert raw(desk, log) == b"text\n" * 1000


def test_text_logs_have_no_letters(desk: Desk, step: StepRow) -> None:
    log = desk.data.logs.open(step, "warnings (6)", "t")
    log.append("", b"one\ntwo")
    log.finish()
    assert lines(desk, log) == b"one\ntwo\n"
    assert log.slug == "warnings__6_"


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("err.text", "err_text"),
        ("a.b.c", "a_b_c"),
        ("a/b c", "a_b_c"),
        ("1num", "_num"),
        (".hidden", "_hidden"),
        ("-dash_", "-dash_"),
        ("été", "été"),
        ("", "log"),
        ("x" * 60, "x" * 50),
    ],
)
def test_the_slug_of_a_log_is_made_from_its_name(
    desk: Desk, step: StepRow, name: str, slug: str
) -> None:
    assert desk.data.logs.open(step, name, "t").slug == slug


def test_names_that_differ_in_signs_only_get_slugs_of_their_own(desk: Desk, step: StepRow) -> None:
    names = ["a.log", "a.log", "a_log", "a log"]
    slugs = [desk.data.logs.open(step, name, "t").slug for name in names]
    assert slugs == ["a_log", "a_log_2", "a_log_3", "a_log_4"]


def test_logs_of_one_name_get_slugs_of_their_own(desk: Desk, step: StepRow) -> None:
    slugs = [desk.data.logs.open(step, "err text").slug for _ in range(3)]
    assert slugs == ["err_text", "err_text_2", "err_text_3"]


def test_the_end_of_a_log_is_known_whatever_chunks_it_is_in(desk: Desk, log: LogWriter) -> None:
    for number in range(3000):
        log.append("o", f"out {number} {'x' * 60}\n".encode())
        log.append("e", f"err {number}\n".encode())
        log.append("h", b"remark\n")
    log.append("o", b"not ended")
    log.finish()
    end = log.output_end()
    text = b"".join(data for _, data in end)
    assert len(text) == END_BYTES
    assert text.endswith(b"err 2999\nnot ended\n") and b"remark" not in text
    assert {stream for stream, _ in end} == {"o", "e"}
    desk.settle()
