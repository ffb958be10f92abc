"""Ports, certificates, files and modules of a running master, when its configuration changes."""

import http.client
import os
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from tests.certificates import make_certificate
from tests.process.farm import BIN, Farm, Master, farm_in, free_port, wait_until

pytestmark = pytest.mark.process

GOOD = "builder('quick', sh('echo quick'))\nforce_all()\n"

#: name -> (lines of a configuration, what is said of the first of them); ``checkconfig`` finds it
FAULTS = {
    "missing key": (
        "c['www']['port'] = 'ssl:{free}:privateKey=nokey.pem'\n",
        "nokey.pem' (privateKey=) cannot be read: no such file or directory",
    ),
    "key of another certificate": (
        "c['www']['port'] = 'ssl:{free}:privateKey=other/key.pem:certKey=cert.pem'\n",
        "does not fit the certificate",
    ),
    "port of the workers": (
        "c['protocols']['pb']['port'] = 'tcp:nonsense'\n",
        "has 'nonsense' where its number should be",
    ),
    "unknown kind": (
        "c['www']['port'] = 'tpc:{free}'\n",
        "of the unknown kind 'tpc'",
    ),
    "address of another machine": (
        "c['www']['port'] = 'tcp:{free}:interface=192.0.2.1'\n",
        "the address 192.0.2.1, which is not this machine's",
    ),
    "missing folder": (
        "c['www']['logfileName'] = 'away/http.log'\n",
        "there is no directory",
    ),
    "log that is a directory": (
        "c['www']['logfileName'] = 'other'\n",
        "'other', which is a directory",
    ),
    "change source": (
        "c['change_source'] = [changes.PBChangeSource(port='tcp:many')]\n",
        "has 'many' where its number should be",
    ),
    "one number twice": (
        "c['change_source'] = [changes.PBChangeSource(port={www})]\n",
        "two ports have the number {www}",
    ),
    "one user twice": (
        "c['change_source'] = [changes.PBChangeSource(user='w1')]\n",
        "its user name 'w1' is that of worker 'w1', at the same port",
    ),
    "directory of a local worker": (
        "c['workers'].append(worker.LocalWorker('lo', workdir='cert.pem/lo'))\n",
        "its directory cannot be made",
    ),
}

#: What only a running master can find.
TAKEN = {
    "pages": ("c['www']['port'] = 'tcp:{taken}:interface=127.0.0.1'\n", "cannot listen on port"),
    "workers": (
        "c['protocols']['pb']['port'] = 'tcp:{taken}:interface=127.0.0.1'\n",
        "cannot listen on port",
    ),
    "change source": (
        "c['change_source'] = [changes.PBChangeSource(port='tcp:{taken}:interface=127.0.0.1')]\n",
        "cannot listen on port",
    ),
    "service that does not start": (
        "from buildbot.util.service import BuildbotService\n"
        "class Mine(BuildbotService):\n"
        "    async def startService(self):\n        raise ValueError('no, thank you')\n"
        "c['services'] = [Mine(name='mine')]\n",
        "could not be started: ValueError: no, thank you",
    ),
    "service that does not take its arguments": (
        "from buildbot.util.service import BuildbotService\n"
        "class Mine(BuildbotService):\n"
        "    def reconfigService(self):\n        raise ValueError('no, thank you')\n"
        "c['services'] = [Mine(name='mine')]\n",
        "could not be started: ValueError: no, thank you",
    ),
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Master]:
    """A master with a worker, to which one fault after the other is shown."""
    for farm in farm_in(tmp_path_factory.mktemp("ports")):
        master = farm.master()
        make_certificate(master.home, "one")
        (master.home / "other").mkdir()
        make_certificate(master.home / "other", "two")
        master.configure(GOOD)
        master.start()
        farm.worker(master)
        master.wait_for_worker()
        yield master


@pytest.fixture
def taken() -> Iterator[int]:
    """The number of a port that somebody else listens on."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield int(other.getsockname()[1])


def ci_master(*words: object) -> tuple[int, str]:
    """Status and output of a command."""
    done = subprocess.run(
        [str(BIN / "ci-master"), *map(str, words)], capture_output=True, text=True, timeout=120
    )
    return done.returncode, done.stdout + done.stderr


def write(master: Master, lines: str, **values: Any) -> int:
    """Configure the master with these lines at the end; gives the number of the first."""
    for name, value in values.items():
        lines = lines.replace("{" + name + "}", str(value))
    master.configure(GOOD + lines)
    text = (master.home / "master.cfg").read_text()
    return text[: len(text) - len(lines)].count("\n") + 1


def sockets(master: Master) -> set[tuple[str, str]]:
    """The sockets that the process listens on: (inode, address)."""
    assert master.daemon is not None
    own = set()
    for entry in os.scandir(f"/proc/{master.daemon.pid}/fd"):
        target = os.readlink(entry.path) if entry.is_symlink() else ""
        if target.startswith("socket:["):
            own.add(target[8:-1])
    found = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        if words[3] == "0A" and words[9] in own:
            found.add((words[9], words[1]))
    return found


def refused(master: Master, said: str) -> None:
    assert "configuration update aborted without making any changes" in said, said
    assert "partially" not in said


@pytest.mark.parametrize("name", FAULTS)
def test_what_needs_no_running_master_is_found_by_checkconfig(running: Master, name: str) -> None:
    lines, what = FAULTS[name]
    www = running.www_port
    before = sockets(running)
    line = write(running, lines, free=free_port(), www=www)
    status, checked = ci_master("checkconfig", running.home)
    said = running.reload()
    for told in (checked, said):
        assert f"master.cfg:{line}" in told, told
        assert what.replace("{www}", str(www)) in told, told
        assert "Traceback" not in told
    assert status == 1
    refused(running, said)
    assert sockets(running) == before
    running.wait_for_worker()
    write(running, "")
    assert "nothing has changed" in running.reload()


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_found_when_it_is_tried_changes_nothing(
    running: Master, name: str, taken: int
) -> None:
    lines, what = TAKEN[name]
    before = sockets(running)
    write(running, lines, taken=taken)
    assert ci_master("checkconfig", running.home)[0] == 0
    assert running.daemon is not None
    (running.home / "twistd.pid").write_text(str(running.daemon.pid))
    said = running.reload()
    refused(running, said)
    assert what in said
    assert sockets(running) == before
    write(running, "c['title'] = 'Other'\n")
    assert "configuration update complete" in running.reload()
    assert sockets(running) == before
    running.wait_for_worker()
    write(running, "")
    assert "configuration update complete" in running.reload()


def test_ports_are_moved_exchanged_and_narrowed(running: Master) -> None:
    def numbers() -> set[int]:
        return {int(address.rpartition(":")[2], 16) for _, address in sockets(running)}

    www, pb, new = running.www_port, running.pb_port, free_port()
    source = (
        "c['change_source'] = [changes.PBChangeSource(port='tcp:{port}:interface=127.0.0.1')]\n"
    )
    write(running, source, port=new)
    assert "complete" in running.reload()
    assert numbers() == {www, pb, new}
    exchanged = (
        f"c['protocols']['pb']['port'] = 'tcp:{www}:interface=127.0.0.1'\n"
        f"c['www']['port'] = 'tcp:{pb}:interface=127.0.0.1'\n"
    )
    write(running, exchanged)
    assert "complete" in running.reload()
    assert numbers() == {www, pb}
    running.rest.port = pb
    assert running.rest.all("masters")
    write(running, "c['www']['port'] = {www}\n", www=www)  # all addresses, and back
    assert "complete" in running.reload()
    running.rest.port = www
    assert running.rest.all("masters")
    write(running, "")
    assert "complete" in running.reload()
    assert running.rest.all("masters")
    running.wait_for_worker()


def test_the_command_tells_why_a_reload_changed_nothing(running: Master, taken: int) -> None:
    assert running.daemon is not None
    (running.home / "twistd.pid").write_text(str(running.daemon.pid))
    write(running, TAKEN["pages"][0], taken=taken)
    status, said = ci_master("reconfig", running.home)
    assert status == 1, said
    assert f"cannot listen on port {taken}" in said
    refused(running, said)
    write(running, "")
    status, said = ci_master("reconfig", running.home)
    assert status == 0, said


def name_of(stream: ssl.SSLSocket) -> str:
    """The name in the certificate of a connection."""
    found = stream.getpeercert(binary_form=True)
    assert found is not None
    (name,) = x509.load_der_x509_certificate(found).subject.get_attributes_for_oid(
        NameOID.COMMON_NAME
    )
    return str(name.value)


def connect(port: int) -> ssl.SSLSocket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=120))


def ask(stream: ssl.SSLSocket) -> None:
    """Get something over a connection that stays open."""
    stream.sendall(b"GET /api/v2/masters HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    answer = http.client.HTTPResponse(stream)
    answer.begin()
    assert answer.status == 200
    assert not answer.will_close
    answer.read()


def test_a_renewed_certificate_is_taken_without_closing_connections(tmp_path: Path) -> None:
    for farm in farm_in(tmp_path):
        master = farm.master()
        make_certificate(master.home, "one")
        keys = "privateKey=key.pem:certKey=cert.pem:interface=127.0.0.1"
        web, workers = free_port(), free_port()
        lines = (
            f"c['www']['port'] = 'ssl:{web}:{keys}'\nc['workers'].append(worker.Worker('x', 'y'))\n"
            f"c['protocols']['pb']['port'] = 'ssl:{workers}:{keys}'\n"
            f"c['buildbotURL'] = 'https://127.0.0.1:{web}/'\n"
        )
        master.configure(GOOD + lines)
        start_with_tls(farm, master, web)
        page, worker = connect(web), connect(workers)
        ask(page)
        assert name_of(page) == name_of(worker) == "one"
        before = sockets(master)
        assert "nothing has changed" in master.reload()
        make_certificate(master.home, "two", days=30)
        said = master.reload()
        assert "configuration update complete" in said
        assert f"the certificate of {web} was renewed, good until 20" in said
        assert f"the certificate of {workers} was renewed" in said
        assert "nothing has changed" not in said
        for port in (web, workers):
            with connect(port) as new:
                assert name_of(new) == "two"
        ask(page)
        is_open(worker)
        # Half of a renewal is none.
        key = (master.home / "key.pem").read_bytes()
        make_certificate(master.home, "three")
        (master.home / "key.pem").write_bytes(key)
        refused(master, said := master.reload())
        assert "does not fit the certificate" in said
        with connect(web) as new:
            assert name_of(new) == "two"
        # Other files: the sockets and connections stay.
        (master.home / "new").mkdir()
        make_certificate(master.home / "new", "four")
        moved = lines.replace("=key.pem", "=new/key.pem").replace("=cert.pem", "=new/cert.pem")
        master.configure(GOOD + moved)
        assert "configuration update complete" in master.reload()
        for port in (web, workers):
            with connect(port) as new:
                assert name_of(new) == "four"
        ask(page)
        is_open(worker)
        assert sockets(master) == before
        page.close()
        worker.close()


def is_open(stream: ssl.SSLSocket) -> None:
    """Nothing says that the other side has closed."""
    stream.settimeout(0.2)
    try:
        while True:
            if stream.recv(4096) == b"":
                raise AssertionError("the connection was closed")
    except TimeoutError:
        pass


def start_with_tls(farm: Farm, master: Master, port: int) -> None:
    """Start a master whose pages are at a port with TLS."""
    master.daemon = farm.launch(
        [str(BIN / "ci-master"), "start", "--nodaemon", str(master.home)], master.home
    )

    def answers() -> bool:
        assert master.daemon is not None
        assert master.daemon.is_running(), master.daemon.console()[-4000:]
        return "BuildMaster is running" in master.log()

    wait_until(answers, "the start of the master")


def test_edited_modules_count_from_wherever_they_come(tmp_path: Path) -> None:
    for farm in farm_in(tmp_path):
        master = farm.master()
        checkout, lib, path = (tmp_path / name for name in ("checkout", "lib", "path"))
        for directory in (checkout, lib, path):
            directory.mkdir()
        master.configure(
            "import os, sys\n"
            f"sys.path.insert(0, {str(lib)!r})\n"
            "import beside_h, inserted_h, given_h\n"
            "@util.renderer\n"
            "def words(props): return beside_h.say() + inserted_h.say() + given_h.say()\n"
            "builder('b', steps.ShellCommand(command=['echo', words]))\nforce_all()\n"
        )
        (master.home / "master.cfg").rename(checkout / "ours.cfg")
        (master.home / "master.cfg").symlink_to(checkout / "ours.cfg")
        helpers = [checkout / "beside_h.py", lib / "inserted_h.py", path / "given_h.py"]
        for number, helper in enumerate(helpers):
            helper.write_text(f"def say(): return '{number}'\n")
        farm.worker(master)
        os.environ["PYTHONPATH"], before = str(path), os.environ.get("PYTHONPATH")
        try:
            master.start()
        finally:
            del os.environ["PYTHONPATH"]
            if before is not None:
                os.environ["PYTHONPATH"] = before
        master.wait_for_worker()
        said = [master.log_text(master.forced("b"), "shell").strip()]
        for letter, helper in zip("abc", helpers, strict=True):
            helper.write_text(f"def say(): return '{letter}'\n")
            assert "1 builder changed: b" in master.reload()
            said.append(master.log_text(master.forced("b"), "shell").strip())
        assert said == ["012", "a12", "ab2", "abc"]
        assert "nothing has changed" in master.reload()
