"""The text of buildbot.tac: the Twisted application that is a master."""

from dataclasses import dataclass

_HEAD = '''\
"""The master of this directory, as Twisted runs it. Started by: ci-master start"""

import os

from twisted.application import service
from twisted.python.log import FileLogObserver, ILogObserver

from ci_common.daemonlog import RotatedLog
from ci_master.app import BuildMaster

basedir = {basedir!r}
rotateLength = {log_size!r}  # bytes; None: twistd.log is never rotated
maxRotatedFiles = {log_count!r}
configfile = {config!r}

# Permissions of the files that the master writes, as os.umask takes them; None leaves them.
umask = None
'''

_RELOCATABLE = """
# The directory can be moved: it is found anew at each start.
basedir = os.path.abspath(os.path.dirname(__file__))
"""

_APPLICATION = """
application = service.Application('buildmaster')
"""

_LOG = """
logfile = RotatedLog.fromFullPath(
    os.path.join(basedir, "twistd.log"),
    rotateLength=rotateLength,
    maxRotatedFiles=maxRotatedFiles,
)
application.setComponent(ILogObserver, FileLogObserver(logfile).emit)
"""

_MASTER = """
m = BuildMaster(basedir, configfile, umask)
m.setServiceParent(application)
m.log_rotation.rotateLength = rotateLength
m.log_rotation.maxRotatedFiles = maxRotatedFiles
"""


@dataclass(frozen=True)
class Settings:
    """What a tac file says. ``basedir`` is "." for a directory that can be moved; a
    ``log_size`` of None switches rotation off."""

    basedir: str
    config: str
    log_size: int | None
    log_count: int | None


def tac_text(settings: Settings) -> str:
    """The whole file."""
    head = _HEAD.format(
        basedir=settings.basedir,
        log_size=settings.log_size,
        log_count=settings.log_count,
        config=settings.config,
    )
    is_relocatable = settings.basedir == "."
    return "".join(
        [
            head,
            _RELOCATABLE if is_relocatable else "",
            _APPLICATION,
            _LOG,
            _MASTER,
        ]
    )
