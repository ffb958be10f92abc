"""What a step may ask about the abilities of its worker."""

from __future__ import annotations

from typing import Any

from ci_common.numbers import whole_number
from ci_master.builds.errors import WorkerSetupError


class WorkerFeaturesMixin:
    """The methods of a step that look at its worker."""

    worker: Any
    build: Any

    def workerVersion(self, command: str, oldversion: str | None = None) -> str | None:
        """Version of a command on the worker; None if the worker does not have it.

        :param oldversion: the answer for a worker that tells nothing about its commands.
        """
        commands = self.worker.commands
        if not commands:
            return oldversion
        version: str | None = commands.get(command)
        return version

    def workerVersionIsOlderThan(self, command: str, minversion: str) -> bool:
        """Whether the worker lacks the command or has it in a lower version."""
        version = self.workerVersion(command)
        if version is None:
            return True
        return _numbers(version) < _numbers(minversion)

    def checkWorkerHasCommand(self, command: str) -> None:
        """Raise WorkerSetupError if the worker lacks a command."""
        if not self.workerVersion(command):
            raise WorkerSetupError(
                f"worker '{self.getWorkerName()}' does not know the command '{command}': "
                "it is too old"
            )

    def getWorkerName(self) -> str:
        """Name of the worker."""
        name: str = self.build.getWorkerName()
        return name


def _numbers(version: str) -> list[int]:
    return [whole_number(part) or 0 for part in version.split(".")]
