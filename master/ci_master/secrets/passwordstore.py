"""Secrets kept by ``pass``, the standard Unix password store."""

import os
import shutil
import subprocess
from typing import Any

from twisted.logger import Logger

from ci_common.processes.tree import tree_of
from ci_master.secrets.base import SecretProviderBase

__all__ = ["SecretInPass"]

#: Seconds after which ``pass`` is taken to hang, for example at a passphrase prompt.
_PATIENCE_S = 60


def run_program(command: list[str], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a program that asks nothing and is done within a minute. Blocks.

    :raises subprocess.TimeoutExpired: if it is not; it is killed with all that it started, which
        may hold its output open.
    """
    with subprocess.Popen(
        command,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as program:
        try:
            said, errors = program.communicate(timeout=_PATIENCE_S)
        except subprocess.TimeoutExpired:
            tree_of(program.pid).kill()
            raise
        return subprocess.CompletedProcess(command, program.returncode, said, errors)


class SecretInPass(SecretProviderBase):
    """Reads secrets by ``pass NAME``; the first line of what it prints is the value.

    :param gpgPassphrase: the passphrase that unlocks the key, where no agent does that.
    :type gpgPassphrase: string or None
    :param dirname: the directory of the password store; None leaves that to ``pass``.
    :type dirname: string or None
    """

    name = "SecretInPass"
    log = Logger()
    #: Runs ``pass``.
    run_program = staticmethod(run_program)

    def checkConfig(self, gpgPassphrase: str | None = None, dirname: str | None = None) -> None:
        """The program and the directory must exist."""
        faults = []
        if shutil.which("pass") is None:
            faults.append(("there is no program 'pass' in PATH", "install pass"))
        if dirname is not None and not os.path.isdir(dirname):
            faults.append((f"there is no directory {dirname}", ""))
        self.refuse(faults)

    def reconfigService(self, gpgPassphrase: str | None = None, dirname: str | None = None) -> None:
        """Take over the arguments."""
        self._environment: dict[str, str] = {}
        if gpgPassphrase:
            self._environment["PASSWORD_STORE_GPG_OPTS"] = f"--passphrase {gpgPassphrase}"
        if dirname:
            self._environment["PASSWORD_STORE_DIR"] = dirname

    def get(self, entry: str) -> Any:
        """The first line ``pass`` prints for the name; None if it fails, which is logged."""
        return self.in_thread(self._ask, entry)

    def _ask(self, entry: str) -> str | None:
        if entry.startswith("-"):
            return None  # it would be taken for an option
        try:
            done = self.run_program(["pass", entry], {**os.environ, **self._environment})
        except (OSError, subprocess.TimeoutExpired) as error:
            self.log.error("pass could not be asked for {entry}: {error}", entry=entry, error=error)
            return None
        if done.returncode != 0:
            said = done.stderr.strip()
            self.log.warn("pass does not give {entry}: {said}", entry=entry, said=said)
            return None
        lines = done.stdout.splitlines()
        return lines[0] if lines else None
