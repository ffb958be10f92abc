"""A PostgreSQL server of the tests' own, on a free port, ended with them. Never run as root."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

ACCOUNT = "postgres"  # whom the server runs as where the tests run as root


def find_tool(name: str) -> str | None:
    """Path of a program of PostgreSQL; Debian keeps the server's out of PATH."""
    found = shutil.which(name)
    if found:
        return found
    candidates = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    return str(candidates[0]) if candidates else None


def why_unavailable() -> str | None:
    """Why no server can be started here; None if one can."""
    if find_tool("initdb") is None:
        return "PostgreSQL is not installed"
    if os.geteuid() == 0:
        try:
            pwd.getpwnam(ACCOUNT)
        except KeyError:
            return f"run as root, and there is no account {ACCOUNT}"
    return None


class Cluster:
    """A server. Its data is not synced to disk: it does not outlive the tests anyway."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="ci-tests-pg-"))
        self._as_account: list[str] = []
        if os.geteuid() == 0:
            account = pwd.getpwnam(ACCOUNT)
            os.chown(self.directory, account.pw_uid, account.pw_gid)
            self._as_account = ["runuser", "-u", ACCOUNT, "--"]
        self._data = self.directory / "data"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._made = 0

    def start(self) -> None:
        """Start it; returns when it answers."""
        self._run("initdb", "-D", self._data, "-U", "tests", "-A", "trust", "-E", "UTF8", "-N")
        self.resume()

    def resume(self) -> None:
        """Start it again after :meth:`halt`."""
        options = (
            f"-p {self.port} -k {self.directory} -c listen_addresses=127.0.0.1 -c fsync=off"
            " -c max_connections=60"
        )
        log = self.directory / "server.log"
        self._run("pg_ctl", "-D", self._data, "-w", "-l", log, "start", "-o", options)

    def ask_for_passwords(self, role: str) -> None:
        """Let nobody in as this role who does not know its password."""
        rules = self._data / "pg_hba.conf"
        text = rules.read_text()
        rules.write_text(f"host all {role} all scram-sha-256\n{text}")
        self._run("pg_ctl", "-D", self._data, "reload")

    def halt(self) -> None:
        """Cut all connections and stop it; what was committed is kept."""
        self._run("pg_ctl", "-D", self._data, "-m", "fast", "-w", "stop")

    def stop(self) -> None:
        """Stop it, and remove what it left."""
        self._run("pg_ctl", "-D", self._data, "-m", "immediate", "-w", "stop", check=False)
        shutil.rmtree(self.directory, ignore_errors=True)

    def new_database(self) -> str:
        """URL of an empty database."""
        self._made += 1
        name = f"test{self._made}"
        where = ("-h", "127.0.0.1", "-p", self.port, "-U", "tests")
        self._run("createdb", *where, "-T", "template0", name)
        return f"postgresql://tests@127.0.0.1:{self.port}/{name}"

    def _run(self, tool: str, *arguments: object, check: bool = True) -> None:
        program = find_tool(tool)
        assert program is not None
        done = subprocess.run(
            [*self._as_account, program, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=self.directory,
            text=True,
        )
        if check and done.returncode:
            raise RuntimeError(f"{tool}: {done.stderr}")
