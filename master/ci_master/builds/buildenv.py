"""What builds need of the rest of the master. Handed in by the app."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.internet.interfaces import IReactorTime

from ci_master.builds.locks import LockTable
from ci_master.workers.transferjournal import TransferJournal


@dataclass
class BuildEnv:
    """The collaborators of a build; steps reach them as ``self.build.services``."""

    data: Any  # ci_master.data.data.Data
    clock: IReactorTime
    locks: LockTable
    #: the public facade for users' code
    master: Any
    #: where ``Secret`` asks: has ``async get(name)``
    secrets: Any
    #: the running configuration: properties, buildbotURL, logEncoding, logMaxSize, logMaxTailSize
    config: Any
    #: starts a triggerable scheduler, see ``ci_master.schedulers``
    trigger: Callable[..., Any] | None = None
    #: runs blocking work: in_thread(function, *arguments) -> Deferred
    in_thread: Callable[..., Any] | None = None
    #: where programs that run on the master are written down, see ci_common.processes.records
    records: Any = None
    #: where uploads write down their temporary files
    transfers: TransferJournal | None = None
