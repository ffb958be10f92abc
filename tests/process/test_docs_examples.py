"""The examples of the documentation, followed by hand: with real daemons, in order."""

import os
import pwd
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci_common.results import CANCELLED, FAILURE, SUCCESS, WARNINGS
from tests.documentation.blocks import ROOT, Block, blocks_of
from tests.documentation.completion import whole_configuration
from tests.documentation.shell import Shell
from tests.process.farm import BIN, Farm, Repository, Rest, free_port, wait_until

pytestmark = pytest.mark.process

MANUAL = ROOT / "docs" / "manual"
SSHD = shutil.which("sshd") or "/usr/sbin/sshd"


def ended(rest: Rest, count: int) -> list[int]:
    """The results of all builds, once so many have ended."""

    def found() -> list[int]:
        builds = rest.all("builds?order=buildid")
        done = [build["results"] for build in builds if build["complete"]]
        return done if len(done) >= count else []

    return wait_until(found, f"{count} builds to end")


# -- the tutorial


@pytest.fixture
def ports() -> tuple[int, int]:
    return free_port(), free_port()


@pytest.fixture
def shell(tmp_path: Path, ports: tuple[int, int]) -> Iterator[Shell]:
    one = Shell(tmp_path, {"8010": str(ports[0]), "9989": str(ports[1])})
    yield one
    one.end_daemons()


def test_the_tutorial_can_be_followed_literally(
    shell: Shell, ports: tuple[int, int], tmp_path: Path
) -> None:
    rest = Rest(ports[0])
    config = tmp_path / "ci-tutorial" / "master" / "master.cfg"
    outcomes: dict[int, list[int]] = {}
    builds_asked_for = 0

    for block in blocks_of(ROOT / "docs" / "tutorial.rst"):
        if block.kind == "python":
            with config.open("a") as file:
                file.write(shell.with_replacements(block.text) + "\n")
        elif block.kind == "output":
            shell.check_output(block.text)
        elif block.kind == "shell":
            if "stop" in block.text:  # the last builds first
                outcomes[builds_asked_for] = ended(rest, builds_asked_for)
            if "builds/3/" in block.text:
                outcomes[3] = ended(rest, 3)
            printed = shell.run(block.text)
            if "builds/3/" in block.text:
                assert "FAILED (failures=1)" in printed
            if "ci-worker start" in block.text:
                wait_until(
                    lambda: all(one["connected_to"] for one in rest.all("workers")), "workers"
                )
                wait_until(lambda: first_poll_is_over(tmp_path), "the first poll")
            if "git push" in block.text and "git init" not in block.text:
                builds_asked_for += 1
                ended(rest, builds_asked_for)
            if "curl -s -X POST" in block.text:
                builds_asked_for += 1
                ended(rest, builds_asked_for)
            if "reconfig" in block.text:
                assert {one["name"] for one in rest.all("builders")} == {"tests", "style"}

    assert outcomes[3] == [SUCCESS, SUCCESS, FAILURE]
    assert outcomes[builds_asked_for] == [SUCCESS, SUCCESS, FAILURE, SUCCESS]
    assert "process" in shell.output  # of stopping the master
    assert not (tmp_path / "ci-tutorial" / "master" / "twistd.pid").exists()


def first_poll_is_over(directory: Path) -> bool:
    """Whether the poller has noted where the branches stand: its state has it."""
    database = directory / "ci-tutorial" / "master" / "state.sqlite"
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        rows = connection.execute("SELECT * FROM object_state").fetchall()
    return any("lastRev" in str(row) and "main" in str(row) for row in rows)


# -- a private repository by ssh


@pytest.fixture
def ssh_port(tmp_path: Path) -> Iterator[int]:
    """A server for ssh on this machine, which takes the deploy key of the master."""
    home = tmp_path / "sshd"
    home.mkdir(mode=0o700)
    port = free_port()
    key = home / "host-key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    (home / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {key}\nPidFile none\nUsePAM no\n"
        f"AuthorizedKeysFile {home}/authorized_keys\nStrictModes no\nPermitRootLogin yes\n"
        "PasswordAuthentication no\nKbdInteractiveAuthentication no\n"
    )
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    with (home / "log").open("wb") as log:
        server = subprocess.Popen([SSHD, "-D", "-e", "-f", home / "config"], stderr=log)
    try:
        wait_until(lambda: "Server listening" in (home / "log").read_text(errors="replace"), "sshd")
        yield port
    finally:
        server.terminate()
        server.wait()


def test_a_private_repository_by_ssh_from_end_to_end(
    farm: Farm, repository: Repository, ssh_port: int, tmp_path: Path
) -> None:
    page = blocks_of(MANUAL / "private-repositories.rst")
    shell_blocks = [block for block in page if block.kind == "shell"]
    master = farm.master()
    user = pwd.getpwuid(os.getuid()).pw_name
    shell = Shell(
        tmp_path / "scratch",
        {
            "ssh-keyscan -t ed25519 git.example.org": f"ssh-keyscan -p {ssh_port} -t ed25519"
            " 127.0.0.1",
            "git@git.example.org/srv/git/project.git": f"{user}@127.0.0.1:{ssh_port}"
            f"{repository.bare}",
        },
    )
    shell.cwd = master.home
    for block in shell_blocks[:2]:  # the key, and who the server is
        shell.run(block.text)
    assert "(ED25519)" in shell.output
    public = (master.home / "secrets" / "deploy-key.pub").read_text()
    (tmp_path / "sshd" / "authorized_keys").write_text(public)

    python = "".join(shell.with_replacements(b.text) for b in page if b.kind == "python")
    master.configure(python.replace("pollInterval=60", "pollInterval=1, pollAtLaunch=True"))
    checked = next(block for block in shell_blocks if "checkconfig" in block.text)
    assert "Config file is good!" in shell.run(checked.text)
    repository.commit("first")
    repository.push()
    master.start()
    farm.worker(master)
    master.wait_for_worker()
    wait_until(lambda: "lastRev" in state_of(master.home), "the first poll")
    repository.commit("second")
    repository.push()
    assert ended(master.rest, 1) == [SUCCESS], master.log()[-3000:]
    build = master.rest.all("builds")[0]
    assert "second" in master.log_text(build, "show")
    # Nothing of the key is left, or was ever shown.
    key = (master.home / "secrets" / "deploy-key").read_text().splitlines()[2]
    log = master.rest.open("GET", "/api/v2/builders/project/builds/1/steps/git/logs/stdio/raw")[1]
    assert key not in log.decode() and key not in master.log()
    assert not list((tmp_path / "w1").rglob("*.git-access"))


def test_an_unknown_server_is_not_trusted(
    farm: Farm, repository: Repository, ssh_port: int, tmp_path: Path
) -> None:
    """With the key of another server the poll fails, and the log has what the page says."""
    page = blocks_of(MANUAL / "private-repositories.rst")
    shell_blocks = [block for block in page if block.kind == "shell"]
    master = farm.master()
    shell = Shell(
        tmp_path / "scratch",
        {
            "git@git.example.org/srv/git/project.git": f"me@127.0.0.1:{ssh_port}{repository.bare}",
        },
    )
    shell.cwd = master.home
    shell.run(shell_blocks[0].text)
    (master.home / "secrets" / "deploy-key.pub").unlink()
    other = tmp_path / "scratch" / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other], check=True)
    known = master.home / "secrets" / "known-hosts"
    known.write_text(f"[127.0.0.1]:{ssh_port} {other.with_suffix('.pub').read_text()}")
    known.chmod(0o600)
    python = "".join(shell.with_replacements(b.text) for b in page if b.kind == "python")
    master.configure(python.replace("pollInterval=60", "pollInterval=1, pollAtLaunch=True"))
    master.start()
    wait_until(lambda: "Host key verification failed" in master.log(), "the refusal")


def state_of(home: Path) -> str:
    with sqlite3.connect(f"file:{home}/state.sqlite?mode=ro", uri=True) as connection:
        return str(connection.execute("SELECT * FROM object_state").fetchall())


# -- changes: sendchange and hooks


def section_with(blocks: tuple[Block, ...], words: str) -> list[Block]:
    """All examples of the section that has these words in one of them."""
    section = next(block.section for block in blocks if words in block.text)
    return [block for block in blocks if block.section == section]


def test_the_change_hooks_and_sendchange_of_the_manual(farm: Farm, tmp_path: Path) -> None:
    page = blocks_of(MANUAL / "changes.rst")
    hooks, sending = section_with(page, "hook:s3cret"), section_with(page, "PBChangeSource")
    master = farm.master()
    send_port = free_port()
    shell = Shell(
        tmp_path / "scratch",
        {
            "https://ci.example.org": f"http://127.0.0.1:{master.www_port}",
            "ci.example.org:9990": f"127.0.0.1:{send_port}",
            "port=9990": f"port='tcp:{send_port}:interface=127.0.0.1'",
            "'port': 8010": f"'port': 'tcp:{master.www_port}:interface=127.0.0.1'",
            "curl -u": "curl --silent --show-error --fail-with-body -u",
        },
    )
    passwords = next(block for block in hooks if block.kind == "file")
    (master.home / passwords.file_name).write_text(passwords.text)
    python = [block for block in [*sending, *hooks] if block.kind == "python"]
    text = shell.with_replacements(whole_configuration([], python))
    (master.home / "master.cfg").write_text(text)
    farm_env = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = f"{ROOT}:{farm_env}"
    try:
        master.start()
    finally:
        os.environ["PYTHONPATH"] = farm_env
    for block in [*sending, *hooks]:
        if block.kind == "shell":
            printed = shell.run(block.text)
            assert "1 change found" in printed or "change sent" in printed, printed
    found = master.rest.all("changes?order=changeid")
    assert [(one["author"], one["branch"], one["comments"]) for one in found] == [
        ("Ada <ada@example.org>", "main", "Add twice"),
        ("ada", "main", "Add twice"),
        ("ada", "main", "Add twice"),
    ]
    assert all(one["files"] == ["src/sums.c"] for one in found)
    status, body = master.rest.open(
        "POST",
        "/change_hook/mine",
        b"{}",
        {"Authorization": "Basic aG9vazpzM2NyZXQ=", "Content-Type": "application/json"},
    )
    assert (status, body) == (400, b"there are no commits in this push")


# -- deleting the text of old logs, and what a worker shows


def test_the_text_of_old_logs_can_be_deleted(farm: Farm, tmp_path: Path) -> None:
    page = blocks_of(MANUAL / "retention.rst")
    deleting = next(block for block in page if "DELETE FROM logchunks" in block.text)
    master = farm.master()
    master.configure("builder('b', sh('echo precious'))\nforce_all()\n")
    master.start()
    farm.worker(master)
    master.wait_for_worker()
    old = master.forced("b")
    new = master.forced("b")
    assert "precious" in master.log_text(old, "shell")
    assert master.stop() == 0
    with sqlite3.connect(master.home / "state.sqlite") as connection:
        connection.execute(
            "UPDATE builds SET started_at = 1000, complete_at = 1001 WHERE id = ?",
            (old["buildid"],),
        )
    connection.close()
    shell = Shell(
        tmp_path / "scratch",
        {
            "ci-master stop DIRECTORY": ":",
            "ci-master start DIRECTORY": ":",
            "DIRECTORY": str(master.home),
        },
    )
    shell.run(deleting.text)
    master.start()
    assert "precious" in master.log_text(new, "shell")
    raw = f"/api/v2/builds/{old['buildid']}/steps/shell/logs/stdio/raw"
    status, body = master.rest.open("GET", raw)
    assert (status, b"precious" in body) == (200, False)
    for path in ("/builders/b/builds/1", "/builders/b/builds/1/steps/shell/logs/stdio"):
        status, body = master.rest.open("GET", path, headers={"Accept": "text/html"})
        assert status == 200, path
    assert master.rest.one(f"builds/{old['buildid']}")["results"] == SUCCESS


def test_what_a_worker_shows_is_what_the_manual_says(farm: Farm) -> None:
    master = farm.master()
    master.configure(
        "builder('loud', sh('true'))\nbuilder('quiet', sh('true', logEnviron=False))\nforce_all()\n"
    )
    master.start()
    daemon = farm.worker(master, start=False)
    assert daemon is None
    (farm.directory / "w1" / "info" / "shelf").write_text("second from the left\n")
    farm.launch(
        [str(BIN / "ci-worker"), "start", "--nodaemon", str(farm.directory / "w1")],
        farm.directory / "w1",
        {"LENT_TOKEN": "do-not-show"},
    )
    master.wait_for_worker()
    for builder, is_shown in (("loud", True), ("quiet", False)):
        master.forced(builder)
        path = f"/api/v2/builders/{builder}/builds/1/steps/shell/logs/stdio/raw"
        assert (b"LENT_TOKEN=do-not-show" in master.rest.open("GET", path)[1]) is is_shown
    told = master.rest.one("workers/w1")["workerinfo"]
    assert {"admin", "host", "version"} <= set(told)
    assert "environ" not in told and "basedir" not in told
    with sqlite3.connect(f"file:{master.home}/state.sqlite?mode=ro", uri=True) as connection:
        ((info,),) = connection.execute("SELECT info_json FROM workers").fetchall()
    assert all(f'"{name}"' in info for name in ("system", "os_id", "numcpus", "basedir", "shelf"))
    assert "LENT_TOKEN" not in info


# -- the README


def test_the_commands_of_the_readme_make_a_master_that_builds(
    shell: Shell, ports: tuple[int, int], tmp_path: Path
) -> None:
    """The sample configuration builds at once; the worker gets its password from the README."""
    page = blocks_of(ROOT / "README.rst")
    block = next(block for block in page if "create-worker" in block.text)
    sample = "cp master/master.cfg.sample master/master.cfg"
    assert sample in block.text
    other_ports = f"sed 's/8010/{ports[0]}/; s/9989/{ports[1]}/'"
    shell.replaced = {
        sample: f"{other_ports} master/master.cfg.sample > master/master.cfg",
        "localhost:9989": f"localhost:{ports[1]}",
        "'.[master]'": f"'{ROOT}[master]'",
        "install .": f"install {ROOT}",
    }
    shell.run(block.text)
    rest = Rest(ports[0])
    assert set(ended(rest, 2)) <= {SUCCESS, WARNINGS}


# -- REST


def test_the_requests_of_the_page_about_rest(farm: Farm, tmp_path: Path) -> None:
    page = blocks_of(MANUAL / "web.rst")
    asking = next(block for block in page if "api/v2/builds?" in block.text)
    acting = next(block for block in page if '"method": "stop"' in block.text)
    listening = next(block for block in page if "/sse/listen/" in block.text)
    master = farm.master()
    master.configure(
        "builder('b', sh('echo done'))\nbuilder('long', sh('sleep 600'))\nforce_all()\n"
    )
    master.start()
    farm.worker(master)
    master.wait_for_worker()
    done = master.forced("b")
    running = master.build_of(master.force("long"))
    shell = Shell(
        tmp_path / "scratch",
        {
            "localhost:8010": f"127.0.0.1:{master.www_port}",
            "builds/12": f"builds/{running['buildid']}",
            "curl -s": "curl --silent --show-error --fail-with-body",
            "curl -N": f"timeout 60 curl --silent --no-buffer -o {tmp_path}/events",
        },
    )
    assert f'"buildid": {done["buildid"]}' in shell.run(asking.text)
    listener = farm.launch(
        ["bash", "-c", shell.with_replacements(listening.text)], farm.directory / "w1"
    )
    events = tmp_path / "events"
    wait_until(lambda: events.exists() and events.read_text(), "the stream to begin")
    assert '"result"' in shell.run(acting.text)
    stopped = wait_until(
        lambda: (one := master.rest.one(f"builds/{running['buildid']}"))["complete"] and one,
        "the build to be stopped",
    )
    assert stopped["results"] == CANCELLED
    wait_until(lambda: "finished" in events.read_text(), "the event of the build's end")
    assert listener.is_running()
