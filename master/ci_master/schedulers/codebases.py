"""Remembering what was seen last of each codebase."""

from typing import Any

__all__ = ["AbsoluteSourceStampsMixin"]


class AbsoluteSourceStampsMixin:
    """For schedulers with ``createAbsoluteSourceStamps``: a codebase without a change is built
    as it was when its last change came, not as it is when the build happens to run.
    """

    createAbsoluteSourceStamps: bool | None = None
    codebases: dict[str, dict[str, Any]]
    _last_codebases: dict[str, dict[str, Any]] | None = None

    async def recall_codebases(self) -> None:
        """Read what was seen before the last restart; once."""
        if self._last_codebases is None:
            self._last_codebases = await self.getState("lastCodebases", {})  # type: ignore[attr-defined]  # of the service

    def recordChange(self, change: Any) -> None:
        """Remember the change, unless a newer one of its codebase is known."""
        if change.codebase not in self.codebases:
            return
        seen = self._last_codebases = dict(self._last_codebases or {})
        if seen.get(change.codebase, {}).get("lastChange", -1) >= change.number:
            return
        seen[change.codebase] = {
            "repository": change.repository,
            "branch": change.branch,
            "revision": change.revision,
            "lastChange": change.number,
        }
        self.setState("lastCodebases", seen)  # type: ignore[attr-defined]  # of the service

    async def getCodebaseDict(self, codebase: str) -> dict[str, Any]:
        """What is built of a codebase that no change speaks of."""
        default = self.codebases[codebase]
        if self.createAbsoluteSourceStamps:
            return {**default, **(self._last_codebases or {}).get(codebase, {})}
        return default
