"""A small valid configuration, and what a load of a changed one says."""

from pathlib import Path

from ci_common.faults import ConfigError
from ci_master.config.load import load_config
from ci_master.config.model import Config

MINIMAL = """\
from ci_master.plugins import *
c = BuildmasterConfig = {}
c['workers'] = [worker.Worker('w', 'secret')]
c['protocols'] = {'pb': {'port': 9989}}
c['builders'] = [util.BuilderConfig(name='b', workernames=['w'], factory=util.BuildFactory())]
c['schedulers'] = [schedulers.AnyBranchScheduler(name='s', builderNames=['b'])]
"""


def load(directory: Path, text: str) -> Config:
    """Load a configuration of that text."""
    (directory / "master.cfg").write_text(text)
    return load_config(directory, "master.cfg")


def faults_of(directory: Path, text: str) -> list[str]:
    """What is wrong with a configuration, as its author reads it; empty if nothing is."""
    try:
        load(directory, text)
    except ConfigError as error:
        return [str(fault) for fault in error.faults]
    return []
