"""A private PostgreSQL server for tests."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from itertools import count
from pathlib import Path
from typing import Any

ACCOUNT = "postgres"  # initdb and the server refuse to run as root


class Cluster:
    """A PostgreSQL server of our own on a free loopback port, gone when the tests are."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="storage-tests-"))
        self._data = self.directory / "data"
        self._numbers = count(1)
        self._as_account: list[str] = []
        if os.geteuid() == 0:
            account = pwd.getpwnam(ACCOUNT)
            os.chown(self.directory, account.pw_uid, account.pw_gid)
            self._as_account = ["runuser", "-u", ACCOUNT, "--"]
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    def start(self) -> None:
        """Make the cluster and start its server; durability is of no use here."""
        self._run("initdb", "-D", self._data, "-U", "tests", "-A", "trust", "-E", "UTF8", "-N")
        options = (
            f"-p {self.port} -k {self.directory} -c listen_addresses=127.0.0.1"
            " -c fsync=off -c shared_buffers=16MB -c max_connections=30"
        )
        log = self.directory / "server.log"
        self._run("pg_ctl", "-D", self._data, "-w", "-l", log, "start", "-o", options)

    def stop(self) -> None:
        """Stop the server and remove everything."""
        self._run("pg_ctl", "-D", self._data, "-m", "immediate", "-w", "stop", check=False)
        shutil.rmtree(self.directory, ignore_errors=True)

    def new_database(self) -> str:
        """URL of a new, empty database."""
        name = f"test_{next(self._numbers)}"
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "tests", name)
        return f"postgresql://tests@127.0.0.1:{self.port}/{name}"

    def _run(self, tool: str, *arguments: Any, check: bool = True) -> None:
        done = subprocess.run(
            [*self._as_account, find_tool(tool) or tool, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=self.directory,
            text=True,
            timeout=60,
        )
        if check and done.returncode:
            raise RuntimeError(f"{tool}: {done.stderr}")


def find_tool(name: str) -> str | None:
    """Path of a program of PostgreSQL."""
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    return str(places[0]) if places else shutil.which(name)


def why_not() -> str | None:
    """Why no server can be started here, if so."""
    if find_tool("initdb") is None:
        return "PostgreSQL is not installed"
    if os.geteuid() == 0 and ACCOUNT not in {entry.pw_name for entry in pwd.getpwall()}:
        return f"there is no account {ACCOUNT} to run PostgreSQL as"
    return None
