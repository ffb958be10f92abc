"""A builder at run time: its configuration, its row, and the builds under way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, succeed

from ci_master.builds.builderconfig import BuilderConfig
from ci_master.data.model import Builder as BuilderRow
from ci_master.data.model import Request

if TYPE_CHECKING:
    from ci_master.builds.build import Build
    from ci_master.builds.buildenv import BuildEnv

__all__ = ["Builder", "enforceChosenWorker"]


class Builder:
    """One builder of the running configuration.

    :ivar config: replaced when the configuration changes; builds keep the one they began with.
    :ivar row: what is stored of it.
    :ivar building: its builds under way.
    """

    def __init__(self, config: BuilderConfig, row: BuilderRow, master: Any = None) -> None:
        self.config = config
        self.row = row
        self.master = master
        self.building: list[Build] = []

    def __repr__(self) -> str:
        return f"<Builder {self.name!r}>"

    @property
    def name(self) -> str:
        """Its name."""
        return self.row.name

    @property
    def builderid(self) -> int:
        """Its id in storage."""
        return self.row.id

    @property
    def description(self) -> str | None:
        """Its description, for people."""
        return self.row.description

    def getBuilderId(self) -> Deferred[int]:
        """Fires, at once, with its id."""
        return succeed(self.row.id)

    def new_build(self, requests: list[Request], slot: Any, env: BuildEnv) -> Build:
        """A build of the class that the factory names; not started yet."""
        from ci_master.builds.build import Build

        made: Build = (self.config.factory.buildClass or Build)(self, requests, slot, env)
        return made


def enforceChosenWorker(bldr: Any, workerforbuilder: Any, breq: Any) -> bool:
    """``canStartBuild``: only the worker that the property ``workername`` names, if it is set.

    :param bldr: the builder.
    :type bldr: builder
    :param workerforbuilder: the worker that is offered.
    :type workerforbuilder: worker
    :param breq: the request that waits.
    :type breq: build request
    """
    wanted = breq.properties.getProperty("workername")
    if wanted:
        return bool(workerforbuilder.worker.workername == wanted)
    return True
