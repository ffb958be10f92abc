"""Steps that put secrets into files on the worker, and take them away again.

``BuildFactory.withSecrets`` surrounds other steps with them.
"""

from collections.abc import Sequence
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from ci_common.results import FAILURE, SUCCESS
from ci_master.builds.buildstep import BuildStep
from ci_master.builds.composite import CompositeStepMixin

__all__ = ["DownloadSecretsToWorker", "RemoveWorkerFileSecret"]

#: Only the worker's own user reads them.
_MODE = 0o600


class DownloadSecretsToWorker(BuildStep, CompositeStepMixin):
    """Write secrets into files on the worker, readable for its user only.

    :param populated_secret_list: pairs of the file's path, relative to ``workdir`` or absolute,
        and a ``Secret``.
    """

    name = "download secrets"
    renderables = ("secret_to_be_populated",)
    haltOnFailure = True

    def __init__(self, populated_secret_list: Sequence[tuple[Any, Any]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.secret_to_be_populated = populated_secret_list

    async def run(self) -> int:
        """Write them all; one that cannot be written fails the step."""
        self.checkWorkerHasCommand("downloadFile")
        result = SUCCESS
        for path, secret in self.secret_to_be_populated:
            done = await self.downloadFileContentToWorker(path, secret, mode=_MODE)
            if done is None:
                result = FAILURE
        return result


class RemoveWorkerFileSecret(BuildStep, CompositeStepMixin):
    """Remove files with secrets from the worker, whatever became of the build.

    :param populated_secret_list: the pairs that were written; only the paths matter.
    """

    name = "remove secrets"
    renderables = ("paths",)
    alwaysRun = True

    def __init__(
        self,
        populated_secret_list: Sequence[tuple[Any, Any]],
        logEnviron: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.paths = [path for path, _ in populated_secret_list]
        self.logEnviron = logEnviron

    async def run(self) -> int:
        """Remove them all; one that cannot be removed fails the step."""
        self.checkWorkerHasCommand("rmfile")
        result = SUCCESS
        for path in self.paths:
            failed = await self.runRmFile(below(self.workdir, path), abandonOnFailure=False)
            if failed:
                result = FAILURE
        return result


def below(directory: str, path: str) -> str:
    """A worker's path, which is relative to ``directory`` unless it is absolute."""
    absolute = PurePosixPath(path).is_absolute() or PureWindowsPath(path).is_absolute()
    return path if absolute else f"{directory}/{path}"
