"""Which database a master's configuration names."""

from pathlib import Path
from typing import TYPE_CHECKING

from ci_master.cli.problem import Problem

if TYPE_CHECKING:
    from ci_master.config.model import Config


def configured_database(basedir: Path, config_name: str) -> str:
    """The database URL of a master's configuration.

    :raises ConfigError: if the configuration has faults.
    :raises Problem: if the URL is made of secrets that are only known to a running master.
    """
    from ci_master.config.load import load_config

    return database_of(load_config(basedir, config_name))


def database_of(config: "Config") -> str:
    """The database URL of a loaded configuration.

    :raises Problem: if it is made of secrets that are only known to a running master.
    """
    url = config.db_url
    if not isinstance(url, str):
        raise Problem(
            "the database URL of the configuration is not a plain string;"
            " it can only be worked out by a running master"
        )
    return url
