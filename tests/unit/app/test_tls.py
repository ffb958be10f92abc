"""TLS is brought in only where a configuration may need it."""

from pathlib import Path

import pytest

from ci_master.app.tls import tls_ports, wants_tls
from ci_master.config.model import Config


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("c['www'] = {'port': 8010}", False),
        ("repourl='https://example.org/r.git'", False),
        ("c['www'] = {'port': 'ssl:8443:privateKey=k.pem'}", True),
        ("c['services'] = []", True),
        ("import treq", True),
        ("from twisted.web.client import Agent", True),
        ("auth=util.GitHubAuth('id', 'secret')", True),
    ],
)
def test_the_text_of_a_configuration_decides(tmp_path: Path, text: str, wanted: bool) -> None:
    (tmp_path / "master.cfg").write_text(text)
    assert wants_tls(str(tmp_path), "master.cfg") is wanted


def test_modules_beside_it_count_and_checkouts_do_not(tmp_path: Path) -> None:
    (tmp_path / "master.cfg").write_text("from farm import builders")
    for directory in ("gitpoller-work/r", "workers/w1/build", ".venv/lib"):
        (tmp_path / directory).mkdir(parents=True)
        (tmp_path / directory / "other.py").write_text("import OpenSSL")
    assert not wants_tls(str(tmp_path), "master.cfg")
    (tmp_path / "farm").mkdir()
    (tmp_path / "farm" / "alerts.py").write_text("import OpenSSL")
    assert wants_tls(str(tmp_path), "master.cfg")


def test_a_missing_configuration_wants_nothing(tmp_path: Path) -> None:
    assert not wants_tls(str(tmp_path / "nowhere"), "master.cfg")


def test_ports_with_tls_are_found() -> None:
    config = Config(
        www={"port": "ssl:8443"}, protocols={"pb": {"port": 9989}, "other": {"port": "tls:1"}}
    )
    assert tls_ports(config) == ["ssl:8443", "tls:1"]
