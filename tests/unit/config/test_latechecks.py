"""Services whose ``checkConfig`` is a coroutine or a generator."""

from pathlib import Path

import pytest

from tests.unit.config.minimal import MINIMAL, faults_of

SERVICE = """
from buildbot.config import error
from buildbot.util.service import BuildbotService
from twisted.internet import defer
class Mine(BuildbotService):
{check}
c['services'] = [Mine(name='m')]
"""

CHECKS = [
    (
        "    async def checkConfig(self):\n        error('no disk')",
        ["master.cfg:14, service 'm': no disk"],
    ),
    (
        "    @defer.inlineCallbacks\n"
        "    def checkConfig(self):\n        yield defer.succeed(1); error('no disk')",
        ["master.cfg:14: no disk"],
    ),
    (
        "    async def checkConfig(self):\n        raise ValueError('odd')",
        ["master.cfg:14, service 'm': its checkConfig failed: ValueError: odd"],
    ),
    (
        "    async def checkConfig(self):\n        await defer.Deferred()",
        ["master.cfg:14, service 'm': its checkConfig waits for something that is yet to come"],
    ),
    ("    async def checkConfig(self):\n        await defer.succeed(1)", []),
]


@pytest.mark.parametrize(("check", "faults"), CHECKS, ids=range(len(CHECKS)))
def test_a_late_check_is_part_of_the_load(tmp_path: Path, check: str, faults: list[str]) -> None:
    assert faults_of(tmp_path, MINIMAL + SERVICE.format(check=check)) == faults
