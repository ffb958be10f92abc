"""What users' code may ask a build: its properties, its sources, its place."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import implementer

from ci_master.builds.buildenv import BuildEnv
from ci_master.builds.builder import Builder
from ci_master.builds.buildrequest import BuildRequest
from ci_master.builds.interfaces import IProperties
from ci_master.builds.properties import Properties, PropertiesMixin
from ci_master.builds.sourcestamp import SourceStamp, blamelist
from ci_master.builds.workerview import WorkerView
from ci_master.data.change import Change
from ci_master.data.model import BuildRow, Request


@implementer(IProperties)
class BuildFacts(PropertiesMixin):
    """The part of a build that only tells. See :class:`ci_master.builds.build.Build`."""

    builder: Builder
    services: BuildEnv
    row: BuildRow
    request_rows: list[Request]
    properties: Properties
    worker: WorkerView
    sources: list[SourceStamp]
    _requests: list[BuildRequest] | None = None

    def __repr__(self) -> str:
        number = self.row.number if hasattr(self, "row") else "?"
        return f"<Build {self.builder.name} #{number}>"

    @property
    def number(self) -> int:
        """Its number among the builds of its builder."""
        return self.row.number

    @property
    def buildid(self) -> int:
        """Its id in storage."""
        return self.row.id

    @property
    def requests(self) -> list[BuildRequest]:
        """The requests that it answers."""
        if self._requests is None:
            name = self.builder.name
            self._requests = [BuildRequest(row, name) for row in self.request_rows]
        return self._requests

    @property
    def reason(self) -> str:
        """Why it was asked for."""
        return ", ".join(dict.fromkeys(row.buildset.reason for row in self.request_rows))

    @property
    def workername(self) -> str:
        """Name of its worker."""
        return self.worker.workername

    @property
    def path_module(self) -> ModuleType:
        """The module for paths on its worker."""
        return self.worker.path_module

    @property
    def conn(self) -> Any:
        """The connection to its worker; None if there is none."""
        return self.worker.session

    def getProperties(self) -> Properties:
        """The properties."""
        return self.properties

    def getBuild(self) -> Any:
        """Itself."""
        return self

    def getWorkerName(self) -> str:
        """Name of its worker."""
        return self.worker.workername

    def getBuilderId(self) -> Deferred[int]:
        """Fires, at once, with the id of its builder."""
        return self.builder.getBuilderId()

    def getWorkerInfo(self) -> Mapping[str, Any]:
        """What the worker told about itself."""
        return self.worker.info

    def getUrl(self) -> str:
        """Where people see it."""
        return self.url_of(self.builder.row.id, self.row.number)

    def url_of(self, builderid: int, number: int) -> str:
        """Where people see any build."""
        return f"{self.services.config.buildbotURL}#/builders/{builderid}/builds/{number}"

    def lock_description(self) -> str:
        """How it is called where it holds or waits for a lock."""
        return f"{self.builder.name} #{self.row.number}"

    # -- sources

    def getSourceStamp(self, codebase: str = "") -> SourceStamp | None:
        """The source stamp of a codebase, if there is one."""
        return next((stamp for stamp in self.sources if stamp.codebase == codebase), None)

    def getAllSourceStamps(self) -> list[SourceStamp]:
        """One source stamp per codebase."""
        return list(self.sources)

    def allChanges(self) -> list[Change]:
        """The changes of all codebases."""
        return [change for stamp in self.sources for change in stamp.changes]

    def allFiles(self) -> list[str]:
        """The files of all these changes."""
        return [name for change in self.allChanges() for name in change.files]

    def blamelist(self) -> list[str]:
        """Authors of the changes and of patches, sorted."""
        return blamelist(self.sources)

    async def _find_sources(self) -> None:
        """Put together the source stamps of all requests and the changes of the build."""
        stamps: dict[str, dict[str, Any]] = {}
        for request in self.request_rows:
            for stamp in request.buildset.sourcestamps:
                stamps.setdefault(stamp["codebase"], stamp)
        found: list[Change] = []
        if stamps:
            row = self.row
            asked, changes = await self.services.data.changes.of_build(
                row.builderid, row.number, [request.id for request in self.request_rows]
            )
            found = [Change.from_json(change) for change in changes]
            row.asked_changes = [change for change in changes if change["changeid"] in asked]
        self.sources = [
            SourceStamp(stamp, [change for change in found if change.codebase == codebase])
            for codebase, stamp in stamps.items()
        ]
        self.properties.sourcestamps = [stamp.asDict() for stamp in self.sources]
        self.properties.changes = [change.asDict() for change in self.allChanges()]
        self.properties.files = self.allFiles()
