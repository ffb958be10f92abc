"""A wanted build, as users' code sees it."""

from __future__ import annotations

from ci_master.builds.properties import Properties
from ci_master.builds.sourcestamp import SourceStamp
from ci_master.data.model import Request


class BuildRequest:
    """The argument of ``nextBuild``, ``canStartBuild`` and the like.

    :ivar sources: codebase -> source stamp.
    :ivar submittedAt: unix seconds.
    """

    def __init__(self, request: Request, buildername: str = "") -> None:
        buildset = request.buildset
        self.row = request
        self.id = request.id
        self.bsid = buildset.id
        self.buildsetid = buildset.id
        self.buildername = buildername
        self.builderid = request.builderid
        self.reason = buildset.reason
        self.priority = request.priority
        self.submittedAt = request.submitted_at
        self.submitted_at = request.submitted_at
        self.waitedFor = request.waited_for
        self._properties: Properties | None = None
        self._sources: dict[str, SourceStamp] | None = None

    @property
    def properties(self) -> Properties:
        """The properties of its build set."""
        if self._properties is None:
            self._properties = Properties.fromDict(self.row.buildset.properties)
        return self._properties

    @property
    def sources(self) -> dict[str, SourceStamp]:
        """Its source stamps by codebase, without their changes."""
        if self._sources is None:
            stamps = map(SourceStamp, self.row.buildset.sourcestamps)
            self._sources = {stamp.codebase: stamp for stamp in stamps}
        return self._sources

    @property
    def source(self) -> SourceStamp | None:
        """The first source stamp."""
        return next(iter(self.sources.values()), None)

    def getSubmitTime(self) -> int:
        """When it was submitted, in unix seconds."""
        return self.submittedAt

    def getProperties(self) -> Properties:
        """The same as ``properties``."""
        return self.properties

    def __repr__(self) -> str:
        return f"<BuildRequest {self.id} of {self.buildername!r}>"
