"""Which database the commands for a stopped master work on."""

from pathlib import Path

import pytest

from ci_master.cli.database import database_of, load, shown_database
from ci_master.cli.problem import Problem
from tests.unit.config.minimal import MINIMAL

SECRET = """
c['secretsProviders'] = [secrets.SecretInAFile(dirname=basedir + '/secrets')]
c['db_url'] = util.Interpolate('sqlite:///%(secret:name)s')
"""


def configure(basedir: Path, lines: str, **kept: str) -> None:
    """Write a configuration with these lines at its end, and secrets."""
    (basedir / "master.cfg").write_text(MINIMAL + lines)
    (basedir / "secrets").mkdir(mode=0o700)
    for name, text in kept.items():
        (basedir / "secrets" / name).write_text(text)
        (basedir / "secrets" / name).chmod(0o600)


def test_a_plain_url_is_taken_as_it_is(tmp_path: Path) -> None:
    configure(tmp_path, "c['db_url'] = 'sqlite:///mine.sqlite'\n")
    assert database_of(load(tmp_path, "master.cfg")) == "sqlite:///mine.sqlite"


def test_secrets_are_looked_up_and_not_shown(tmp_path: Path) -> None:
    configure(tmp_path, SECRET, name="hidden.sqlite")
    config = load(tmp_path, "master.cfg")
    assert database_of(config) == "sqlite:///hidden.sqlite"
    assert shown_database(config, "sqlite:///other") == "sqlite:///other"


def test_a_secret_that_is_not_there_is_named(tmp_path: Path) -> None:
    configure(tmp_path, SECRET)
    with pytest.raises(Problem, match="'name'"):
        database_of(load(tmp_path, "master.cfg"))
