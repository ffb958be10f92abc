"""Secrets kept as files of a directory."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ci_master.secrets.base import SecretProviderBase

__all__ = ["SecretInAFile"]

_OTHERS = stat.S_IRWXO


class SecretInAFile(SecretProviderBase):
    """Reads secrets from files of a directory, one file for each; a file is read when it is used.

    :param dirname: the directory that holds a file for each secret.
    :param suffixes: endings of the files: the secret ``x`` is in the file ``x`` with one of
        these behind it; None: in the file ``x``.
    :param strip: take newlines off the end of the value.
    """

    name = "SecretInAFile"

    def checkConfig(
        self, dirname: str, suffixes: Sequence[str] | None = None, strip: bool = True
    ) -> None:
        """The directory must exist, and others must have no access to its files."""
        if not isinstance(dirname, str | os.PathLike):
            self.refuse([(f"dirname is {dirname!r}, but must be a path", "")])
        if isinstance(suffixes, str):
            self.refuse([("suffixes is one string, but must be a list", f"write [{suffixes!r}]")])
        directory = Path(dirname)
        if not directory.is_dir():
            self.refuse([(f"there is no directory {os.fspath(dirname)}", "")])
        self.refuse(
            [
                _too_open(path)
                for path in sorted(directory.iterdir())
                if path.is_file() and _is_secret(path, suffixes) and _open_to_others(path)
            ]
        )

    def reconfigService(
        self, dirname: str, suffixes: Sequence[str] | None = None, strip: bool = True
    ) -> None:
        """Take over the arguments."""
        self._directory = Path(dirname)
        self._suffixes = [""] if suffixes is None else list(suffixes)
        self._strip = strip

    def get(self, entry: str) -> Any:
        """The contents of the secret's file, None if there is none.

        :raises ConfigError: if others have access to the file.
        """
        return self.in_thread(self._read, entry)

    def _read(self, entry: str) -> str | None:
        if entry in ("", ".", "..") or "/" in entry or os.sep in entry or "\0" in entry:
            return None  # only files of this very directory
        for suffix in self._suffixes:
            path = self._directory / (entry + suffix)
            if path.is_file():
                if _open_to_others(path):
                    self.refuse([_too_open(path)])
                text = path.read_text(encoding="utf-8")
                return text.rstrip("\r\n") if self._strip else text
        return None


def _is_secret(path: Path, suffixes: Sequence[str] | None) -> bool:
    return suffixes is None or path.name.endswith(tuple(suffixes))


def _open_to_others(path: Path) -> bool:
    return os.name == "posix" and bool(path.stat().st_mode & _OTHERS)


def _too_open(path: Path) -> tuple[str, str]:
    mode = stat.S_IMODE(path.stat().st_mode)
    return f"everybody can get at {path} (mode {mode:o})", f"chmod o-rwx {path}"
