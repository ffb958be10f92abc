"""The commands of the README and of the manual, as they stand there, by a shell."""

import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import postgres
from tests.conftest import ROOT
from tests.process.cli_master import TIMEOUT_S, Home, free_port

pytestmark = pytest.mark.process

BIN = Path(sys.executable).parent


def code_blocks(document: Path, heading: str) -> list[str]:
    """The literal blocks below a heading, without their indentation."""
    text = document.read_text()
    underlined = re.search(rf"(?m)^{re.escape(heading)}\n[=-]+\n", text)
    assert underlined is not None, f"{document} has no heading {heading!r}"
    section = re.split(r"(?m)^[^ \n].*\n[=-]{4,}$", text[underlined.end() :])[0]
    found = re.findall(r"(?m)::\n\n((?:(?: {4}.*)?\n)+)", section + "\n")
    return [textwrap.dedent(block).strip() + "\n" for block in found]


class Shell:
    """Runs commands in a directory, with a program of ours in place of some that there are."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "home"
        self.directory.mkdir()
        self.programs = directory / "programs"
        self.programs.mkdir()
        self.env = {
            **os.environ,
            "PATH": os.pathsep.join([str(self.programs), str(BIN), os.environ["PATH"]]),
        }

    def program(self, name: str, script: str) -> None:
        """Have a command mean this script."""
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def run(self, commands: str, given: str = "") -> str:
        """Run them; gives what they printed."""
        done = subprocess.run(
            ["sh", "-e", "-c", commands],
            cwd=self.directory,
            env=self.env,
            input=given,
            capture_output=True,
            text=True,
            timeout=2 * TIMEOUT_S,
            start_new_session=True,  # without a terminal passwords are read from the input
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """A shell; what it leaves running is ended."""
    made = Shell(tmp_path)
    # The environment of the tests has everything; what is asked for has to exist, though.
    made.program(
        "pip",
        f"""exec {sys.executable} - "$@" <<'EOF'
import re, sys
text = open({str(ROOT / "setup.py")!r}).read()
for word in sys.argv[2:]:
    for extra in re.findall(r"\\[(.*)\\]", word):
        assert all(f'"{{one}}":' in text for one in extra.split(",")), word
EOF""",
    )
    yield made
    for pid_file in made.directory.glob("*/twistd.pid"):
        os.kill(int(pid_file.read_text()), signal.SIGKILL)


def home_in(directory: Path, web_port: int) -> Home:
    """The master that the commands have made."""
    home = object.__new__(Home)
    home.directory, home.web_port = directory, web_port
    return home


def test_the_readmes_commands_build_something(shell: Shell) -> None:
    (commands,) = [one for one in code_blocks(ROOT / "README.rst", "Try it") if "pip" in one]
    ports = {"9989": free_port(), "8010": free_port()}
    copied = "cp master/master.cfg.sample master/master.cfg\n"
    assert copied in commands
    others = "".join(f"sed -i.bak s/{usual}/{free}/ master/master.cfg\n"
                     for usual, free in ports.items())  # fmt: skip
    for usual, free in ports.items():
        commands = commands.replace(usual, str(free))
    shell.run(commands.replace(copied, copied + others))
    home = home_in(shell.directory / "master", ports["8010"])
    found = home.wait_for(
        "builds", lambda answer: sum(build["complete"] for build in answer["builds"]) >= 2
    )
    builders = {one["builderid"]: one["name"] for one in home.get("builders")["builders"]}
    results = {builders[build["builderid"]]: build["results"] for build in found["builds"]}
    assert results == {"tests": 0, "lint": 1}  # success; warnings


def test_the_manuals_commands_make_a_master_on_postgresql(
    shell: Shell, cluster: postgres.Cluster
) -> None:
    blocks = code_blocks(ROOT / "docs" / "manual" / "running.rst", "Databases")
    commands, configuration = blocks[0], blocks[1]
    assert "createdb --owner" in commands
    cluster.ask_for_passwords("ci")
    shell.env.update(PGPORT=str(cluster.port), PGHOST="127.0.0.1")
    for name in ("createuser", "createdb", "psql"):
        tool = postgres.find_tool(name)
        shell.program(name, f'exec {tool} "$@"')
    shell.program("sudo", 'test "$1 $2" = "-u postgres" && shift 2 && PGUSER=tests exec "$@"')
    said = shell.run(commands, given="password\npassword\n")
    assert "created the tables in postgresql" in said
    # ... and the master runs on it.
    home = home_in(shell.directory / "DIRECTORY", free_port())
    home.pb_port = free_port()
    home.configure(configuration)
    started = shell.run("ci-master start DIRECTORY")
    assert "the web interface is at" in started
    assert len(home.get("builders")["builders"]) == 1
    shell.run("ci-master stop DIRECTORY")


def test_a_role_that_does_not_own_the_database_is_told_what_to_do(
    shell: Shell, cluster: postgres.Cluster
) -> None:
    shell.env.update(PGPORT=str(cluster.port), PGHOST="127.0.0.1", PGUSER="tests")
    for name in ("createuser", "createdb", "psql"):
        shell.program(name, f'exec {postgres.find_tool(name)} "$@"')
    shell.run("createuser ci && createdb ci && psql -q ci -c 'REVOKE ALL ON SCHEMA public FROM ci'")
    shell.run("psql -q ci -c 'REVOKE CREATE ON SCHEMA public FROM PUBLIC'")  # as since version 15
    create = "ci-master create-master --db=postgresql://ci@localhost/ci DIRECTORY"
    said = shell.run(f"! {create} 2>&1")
    assert 'ALTER DATABASE "ci" OWNER TO "ci"' in said
    assert "Traceback" not in said
    shell.run("""psql -q postgres -c 'ALTER DATABASE "ci" OWNER TO "ci"'""")
    assert "created the tables" in shell.run(create)
