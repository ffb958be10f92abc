"""A worker, as steps and other code of users see it during a build."""

from __future__ import annotations

import ntpath
import posixpath
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from ci_master.builds.properties import Properties


class WorkerView:
    """The worker of one build.

    :ivar slot: its state at run time; ``config``: as configured.
    """

    def __init__(self, slot: Any) -> None:
        self.slot = slot
        self.config = slot.config
        self.session = slot.session

    @property
    def workername(self) -> str:
        """Its name."""
        name: str = self.slot.row.name
        return name

    name = workername

    @property
    def workerid(self) -> int:
        """Its id in storage."""
        number: int = self.slot.row.id
        return number

    @property
    def info(self) -> Mapping[str, Any]:
        """What it told about itself, now or the last time it was here."""
        if self.session is not None:
            info: Mapping[str, Any] = self.session.info
            return info
        stored: Mapping[str, Any] = self.slot.row.info
        return stored

    @property
    def properties(self) -> Properties:
        """Its configured properties."""
        properties = Properties()
        properties.update(self.config.properties, "Worker")
        return properties

    @property
    def commands(self) -> Mapping[str, str]:
        """The commands it knows, with their versions."""
        return self.session.commands if self.session is not None else {}

    @property
    def worker_environ(self) -> Mapping[str, str]:
        """Its own environment."""
        environ: Mapping[str, str] = self.info.get("environ") or {}
        return environ

    @property
    def worker_basedir(self) -> str:
        """Its directory, on its machine."""
        return self.session.basedir if self.session is not None else ""

    @property
    def worker_system(self) -> str:
        """``posix`` or ``nt``."""
        return self.session.system if self.session is not None else ""

    @property
    def path_module(self) -> ModuleType:
        """The module for paths on its machine."""
        return ntpath if self.worker_system in ("nt", "win32") else posixpath
