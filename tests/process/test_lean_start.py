"""What a master does not load, as long as its configuration does not ask for it."""

import sys

import pytest

from tests.process.farm import Farm, Master

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(sys.platform != "linux", reason="needs /proc/PID/maps"),
]

CONFIG = """
c['workers'] = [worker.Worker('w1', 'secret')]
builder('plain', steps.ShellCommand(command=['true']))
force_all()
"""


def started(farm: Farm, config: str) -> Master:
    master = farm.master()
    master.configure(config)
    master.start()
    return master


def has_openssl(master: Master) -> bool:
    """Whether the process has loaded the library that pyOpenSSL stands on: 12 MiB."""
    assert master.daemon is not None
    with open(f"/proc/{master.daemon.pid}/maps") as maps:
        return "/cryptography/" in maps.read()


def test_a_master_with_plain_ports_loads_no_openssl(farm: Farm) -> None:
    master = started(farm, CONFIG)
    assert master.rest.all("builders")
    assert not has_openssl(master)


def test_a_master_with_services_that_may_talk_tls_does(farm: Farm) -> None:
    master = started(farm, CONFIG + "c['services'] = []\n")
    assert master.rest.all("builders")
    assert has_openssl(master)
