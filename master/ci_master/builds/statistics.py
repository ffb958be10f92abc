"""Numbers that a step counts for its build."""

from typing import Any


class StatisticsMixin:
    """The methods of a step for its statistics."""

    _statistics: dict[str, Any] | None = None

    @property
    def statistics(self) -> dict[str, Any]:
        """All of them, by name."""
        if self._statistics is None:
            self._statistics = {}
        return self._statistics

    def setStatistic(self, name: str, value: Any) -> None:
        """Set one."""
        self.statistics[name] = value

    def getStatistic(self, name: str, default: Any = None) -> Any:
        """Look up one."""
        return default if self._statistics is None else self._statistics.get(name, default)

    def hasStatistic(self, name: str) -> bool:
        """Whether it was set."""
        return self._statistics is not None and name in self._statistics

    def getStatistics(self) -> dict[str, Any]:
        """A copy of all."""
        return dict(self._statistics or {})
