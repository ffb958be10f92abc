"""What ``create-worker`` understands and writes."""

from pathlib import Path
from typing import Any

import pytest

from ci_worker import __version__
from ci_worker.cli.create_worker import Mistake, parse_master, settings_from, tac_text
from ci_worker.cli.main import main, parser


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("master", "master", 9989),
        ("master:1234", "master", 1234),
        ("[::1]", "::1", 9989),
        ("[fe80::1]:99", "fe80::1", 99),
    ],
)
def test_a_master_is_host_and_port(text: str, host: str, port: int) -> None:
    assert parse_master(text) == (host, port)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("foo:bar", "master address 'foo:bar': the port must be a number"),
        ("foo:", "the port must be a number"),
        ("foo:0", "between 1 and 65535"),
        (":99", "the host is missing"),
        ("::1", "in brackets, as [::1]"),
        ("[::1", "write an IPv6 address as"),
    ],
)
def test_a_wrong_address_is_explained(text: str, why: str) -> None:
    with pytest.raises(Mistake) as caught:
        parse_master(text)
    assert why in str(caught.value)


def settings(*options: str, identity: tuple[str, ...] = ("dir", "m", "w", "p")) -> Any:
    return settings_from(parser().parse_args(["create-worker", *options, *identity]))


@pytest.mark.parametrize(
    ("options", "name", "value"),
    [
        ([], "keepalive", 30),
        (["-k", "0"], "keepalive", 0),
        (["--umask", "022"], "umask", 0o022),
        (["--umask", "0o77"], "umask", 0o077),
        (["--numcpus", "4"], "numcpus", 4),
        (["-l", "None"], "log_count", None),
        (["--maxretries", "3"], "maxretries", 3),
        (["-r"], "basedir", "."),
        (["-a", "file"], "allow_shutdown", "file"),
    ],
)
def test_options_become_settings(options: list[str], name: str, value: Any) -> None:
    assert getattr(settings(*options), name) == value


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--keepalive", "x"], "--keepalive is 'x': it must be a number of seconds"),
        (["--keepalive=-1"], "must not be below 0"),
        (["--log-count", "x"], "--log-count is 'x': it must be a number or None"),
        (["--log-size", "None"], "--log-size is 'None'"),
        (["--allow-shutdown", "x"], "it can be 'signal' or 'file'"),
        (["--protocol", "x"], "this version speaks only pb"),
        (["--protocol", "msgpack_experimental_v7"], "this version speaks only pb"),
        (["--connection-string", "tcp:m:1"], "and no master"),
    ],
)
def test_a_wrong_option_is_explained(options: list[str], why: str) -> None:
    with pytest.raises(Mistake) as caught:
        settings(*options)
    assert why in str(caught.value)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("bad name", "worker name 'bad name': use letters, digits, '_' and '-', and begin with"),
        ("1st", "begin with a letter"),
        ("", "use letters"),
        ("a.b", "use letters"),
        ("n" * 51, "it is longer than 50 characters"),
        ("change", "it is reserved"),
    ],
)
def test_a_name_that_no_master_takes_is_explained(name: str, why: str) -> None:
    for options, identity in (
        ((), ("dir", "m", name, "p")),
        (("--connection-string", "tcp:m:1"), ("dir", name, "p")),
    ):
        with pytest.raises(Mistake) as caught:
            settings(*options, identity=identity)
        assert why in str(caught.value)


def test_a_connection_string_takes_the_place_of_the_master() -> None:
    made = settings("--connection-string", "tcp:m:1", identity=("dir", "w", "p"))
    assert (made.buildmaster_host, made.workername, made.passwd) == (None, "w", "p")


@pytest.mark.parametrize("options", [[], ["-r"], ["-n"], ["--umask", "022"]])
def test_the_tac_is_python_with_the_variables_that_people_know(options: list[str]) -> None:
    text = tac_text(settings(*options))
    compile(text, "buildbot.tac", "exec")
    for name in ("buildmaster_host", "port", "passwd", "maxretries", "rotateLength"):
        assert f"\n{name} = " in text


def test_an_existing_tac_is_not_overwritten_unless_forced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for password in ("one", "two"):
        assert main(["create-worker", str(tmp_path), "m", "w", password]) == 0
    assert "passwd = 'one'" in (tmp_path / "buildbot.tac").read_text()
    assert "passwd = 'two'" in (tmp_path / "buildbot.tac.new").read_text()
    assert "--force" in capsys.readouterr().out
    main(["create-worker", "-f", "-q", str(tmp_path), "m", "w", "two"])
    assert "passwd = 'two'" in (tmp_path / "buildbot.tac").read_text()


def test_a_wrong_command_line_ends_with_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["nonsense"])
    assert caught.value.code == 1
    assert "nonsense" in capsys.readouterr().err


def test_the_version_is_that_of_the_package() -> None:
    from importlib.metadata import version

    assert version("ci-framework") == __version__
