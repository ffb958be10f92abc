"""The commands of the README and of the manual, as they stand there, by a shell."""

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import urllib.request
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
            timeout=10 * TIMEOUT_S,
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
    for pid_file in [*made.directory.rglob("twistd.pid")]:
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


class Chapter:
    """The commands of a page, section by section, with other places in them."""

    def __init__(self, shell: Shell, page: str, places: dict[str, str]) -> None:
        self.shell = shell
        self.page = ROOT / "docs" / "manual" / page
        self.places = places

    def follow(self, heading: str, only: slice = slice(None)) -> str:
        """Run what a section says; gives what the commands printed."""
        text = "".join(code_blocks(self.page, heading)[only])
        for place, other in self.places.items():
            text = text.replace(place, other)
        return self.shell.run(text)


def builds_in(home: Home) -> set[int]:
    """The ids of the finished builds of a running master."""
    return {one["buildid"] for one in home.get("builds")["builds"] if one["complete"]}


def test_the_chapter_on_backups_can_be_followed(shell: Shell, cluster: postgres.Cluster) -> None:
    """Backup, restore, upgrade and back, two moves, another database; each with running daemons."""
    backup, srv = shell.directory / "backup", shell.directory / "srv"
    backup.mkdir(), srv.mkdir()
    chapter = Chapter(shell, "backups.rst", {"/backup": str(backup), "/srv": str(srv)})
    home = home_in(shell.directory / "DIRECTORY", free_port())
    home.pb_port = free_port()
    shell.run(
        "ci-master create-master DIRECTORY && cp DIRECTORY/master.cfg.sample DIRECTORY/master.cfg"
    )
    config = home.directory / "master.cfg"
    config.write_text(
        config.read_text().replace("8010", str(home.web_port)).replace("9989", str(home.pb_port))
    )
    shell.run(
        f"ci-worker create-worker WORKER localhost:{home.pb_port} worker1 change-this-password"
    )
    shell.run("ci-master start DIRECTORY && ci-worker start WORKER")

    def more_builds(than: set[int]) -> set[int]:
        """Wait until builds were made; they are made when the master starts."""
        home.wait_for("builds", lambda _: len(builds_in(home) - than) >= 2)
        return builds_in(home)

    first = more_builds(set())
    chapter.follow("Backup")
    assert sorted(path.suffix for path in backup.iterdir()) == [".ci", ".ci"]
    shell.run("ci-master restart DIRECTORY")
    force(home)
    second = more_builds(first)
    assert "the former database is kept in" in chapter.follow("Restore")
    assert builds_in(home) >= first and not (second - first) & builds_in(home)

    going = "Going back to the version before"
    chapter.follow(going, slice(0, 1))
    before = builds_in(home)
    force(home)
    after = more_builds(before)
    chapter.follow(going, slice(1, 2))
    assert not (after - before) & builds_in(home)

    # Another place on this machine.
    moving = "Moving a master"
    known = builds_in(home)
    chapter.follow(moving, slice(0, 1))
    home.directory = srv / "master"
    assert home.pid and builds_in(home) >= known
    chapter.follow("Moving a worker")
    assert (srv / "worker" / "twistd.pid").exists()
    force(home)
    known = more_builds(known)

    # "Another machine": the directory there does not exist yet.
    shell.run(
        f"ci-master stop {srv}/master && mv {srv}/master DIRECTORY && ci-master start DIRECTORY"
    )
    shell.program("scp", 'test "$2" = "new-machine:$(dirname "$1")/" && cp "$1" "$1.copy"')
    chapter.follow(moving, slice(1, 2))
    shell.run("mv DIRECTORY old-machine")
    home.directory = shell.directory / "DIRECTORY"
    chapter.follow(moving, slice(2, 3))
    assert builds_in(home) >= known

    # To PostgreSQL.
    url = cluster.new_database()
    chapter.follow(moving, slice(3, 4))
    config.write_text(config.read_text().replace("sqlite:///state.sqlite", url))
    chapter.follow(moving, slice(4, 5))
    assert builds_in(home) >= known
    force(home)
    more_builds(known)
    shell.run("ci-master stop DIRECTORY && ci-worker stop srv/worker")


def force(home: Home) -> None:
    """Ask for a build of each builder."""
    for builder in home.get("builders")["builders"]:
        call = {"jsonrpc": "2.0", "id": 1, "method": "force",
                "params": {"builderid": builder["builderid"]}}  # fmt: skip
        request = urllib.request.Request(
            f"http://127.0.0.1:{home.web_port}/api/v2/forceschedulers/force",
            data=json.dumps(call).encode(),
            headers={"Content-Type": "application/json"},
        )
        urllib.request.urlopen(request, timeout=TIMEOUT_S).close()
