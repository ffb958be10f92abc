"""Texts that say where to listen: read, written, and what is wrong with them."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_common.endpoints import Endpoint, canonical, clashes, endpoint, expired, problems_of
from tests.certificates import make_certificate


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (9989, "tcp:9989"),
        ("9989", "tcp:9989"),
        ("tcp:port=9989", "tcp:9989"),
        ("tcp:9989:127.0.0.1", "tcp:9989:interface=127.0.0.1"),
        ("tcp6:80:interface=\\:\\:1", "tcp6:80:interface=\\:\\:1"),
        ("ssl:443:privateKey=a:certKey=b", "ssl:443:privateKey=a:certKey=b"),
        ("haproxy:tcp:80", "haproxy:tcp:80"),
        ("unix:/run/ci.sock:mode=600", "unix:/run/ci.sock:mode=600"),
        ("systemd:domain=INET:index=0", "systemd:domain=INET:index=0"),
        ("nonsense", "nonsense"),
    ],
)
def test_equal_ports_have_one_spelling(text: object, wanted: str) -> None:
    assert canonical(text) == wanted  # type: ignore[arg-type]


@given(st.dictionaries(st.sampled_from(["address", "mode"]), st.text(min_size=1), min_size=1))
def test_what_is_written_is_read_as_it_was(arguments: dict[str, str]) -> None:
    arguments.setdefault("address", "/x")
    assert endpoint(str(Endpoint((), "unix", arguments))).arguments == arguments


@pytest.mark.parametrize(
    ("text", "what", "hint"),
    [
        ("nonsense", "is no number and no endpoint", "tcp:8010"),
        ("tcp:nonsense", "has 'nonsense' where its number should be", "tcp:8010"),
        ("tcp:", "has '' where its number should be", "tcp:8010"),
        ("tcp:99999", "has the number 99999; the highest is 65535", ""),
        (-1, "is no number and no endpoint", ""),
        ("tpc:80", "is of the unknown kind 'tpc'", "did you mean 'tcp'?"),
        ("tcp:80:interfaces=::1", "has 'interfaces', which 'tcp' does not take", "'interface'"),
        ("tcp:80:backlog=many", "the backlog 'many', which is no whole number", ""),
        ("tcp:80:interface=192.0.2.9", "the address 192.0.2.9, which is not this machine's", "ip"),
        ("tcp:80:interface=no host", "the address 'no host', which is none", ""),
        ("unix:away/ci.sock", "which is no directory", "mkdir -p"),
        ("ssl:443:privateKey=nokey.pem", "cannot be read: no such file or directory", "exists"),
        ("ssl:443", "server.pem' (privateKey=) cannot be read", ""),
        ("tls:away:443", "which does not exist", ""),
    ],
)
def test_what_is_wrong_is_told_with_its_remedy(
    text: object, what: str, hint: str, tmp_path: Path
) -> None:
    problems = problems_of(text, tmp_path)  # type: ignore[arg-type]
    assert len(problems) >= 1
    assert what in problems[0].what
    assert hint in problems[0].hint


@pytest.mark.parametrize("text", [80, "tcp:0", "tcp:80:interface=127.0.0.1", "unix:ci.sock"])
def test_what_is_right_has_no_problem(text: int | str, tmp_path: Path) -> None:
    assert problems_of(text, tmp_path) == []


SSL = "ssl:443:privateKey=key.pem:certKey=cert.pem"


def test_a_key_must_fit_its_certificate(tmp_path: Path) -> None:
    make_certificate(tmp_path, "one")
    assert problems_of(SSL, tmp_path) == []
    key = (tmp_path / "key.pem").read_bytes()
    make_certificate(tmp_path, "two")
    (tmp_path / "key.pem").write_bytes(key)
    (problem,) = problems_of(SSL, tmp_path)
    assert "does not fit the certificate" in problem.what


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("key.pem", "nothing", "holds no private key in PEM form"),
        ("cert.pem", "nothing", "holds no certificate in PEM form"),
    ],
)
def test_files_must_hold_what_they_are_for(name: str, text: str, what: str, tmp_path: Path) -> None:
    make_certificate(tmp_path, "one")
    (tmp_path / name).write_text(text)
    (problem,) = problems_of(SSL, tmp_path)
    assert what in problem.what


def test_a_certificate_that_has_ended_is_told(tmp_path: Path) -> None:
    make_certificate(tmp_path, "one")
    assert expired(SSL, tmp_path) == ""
    assert "has ended on" in expired(SSL, tmp_path, datetime(2200, 1, 1, tzinfo=UTC))


def test_ports_in_each_others_way_are_found() -> None:
    texts = [("a", "tcp:80"), ("b", "tcp:80:interface=127.0.0.1"), ("c", "tcp6:80"), ("a", 80)]
    assert [pair[:2] for pair in clashes(texts)] == [("b", "a"), ("a", "b")]
