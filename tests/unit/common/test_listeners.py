"""Sockets that change hands: taken before they are served, moved, and given back."""

from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory, Protocol

from ci_common.listeners import CannotReserve, Listeners
from tests.certificates import make_certificate
from tests.fakes.schedulers import run


class FakePort:
    """A listening socket of a machine that has no network."""

    def __init__(self, machine: "Machine", number: int, factory: Any, interface: str) -> None:
        self.machine, self.number, self.factory = machine, number, factory
        self.interface = interface
        self.accepts = True
        factory.doStart()

    def stopListening(self) -> None:
        self.machine.ports.remove(self)
        self.factory.doStop()

    def startReading(self) -> None:
        self.accepts = True

    def stopReading(self) -> None:
        self.accepts = False

    def getHost(self) -> IPv4Address:
        return IPv4Address("TCP", self.interface or "0.0.0.0", self.number)


class Machine:
    """A reactor whose ports can be taken by others."""

    def __init__(self) -> None:
        self.ports: list[FakePort] = []
        self.taken: set[int] = set()
        self._next_free = 40000

    def listenTCP(self, port: int, factory: Any, backlog: int = 50, interface: str = "") -> Any:
        if port == 0:
            port = self._next_free = self._next_free + 1
        everywhere = ("", "0.0.0.0")
        for one in self.ports:
            meets = one.interface in everywhere or interface in everywhere
            if one.number == port and (meets or one.interface == interface):
                raise CannotListenError(interface, port, OSError("in use"))
        if port in self.taken:
            raise CannotListenError(interface, port, OSError("in use"))
        found = FakePort(self, port, factory, interface)
        self.ports.append(found)
        return found

    def state(self) -> list[tuple[int, str, bool, Any]]:
        """(number, address, whether it accepts, who is served), by number."""
        found = []
        for port in self.ports:
            served = port.factory.buildProtocol(None)
            name = getattr(getattr(served, "factory", None), "name", None)
            found.append((port.number, port.interface, port.accepts, name))
        return sorted(found, key=lambda one: one[0])


class Server(Factory):
    """Somebody who serves, by name."""

    noisy = False
    protocol = Protocol

    def __init__(self, name: str) -> None:
        self.name = name


class Setting:
    def __init__(self, directory: Path) -> None:
        self.machine = Machine()
        self.listeners = Listeners(self.machine, directory)

    def listen(self, text: Any, name: str) -> Any:
        return run(self.listeners.listen(text, Server(name)))

    def reserve(self, *texts: str) -> Any:
        return run(self.listeners.reserve(texts))

    def has(self, *state: tuple[int, str, bool, Any]) -> None:
        assert self.machine.state() == list(state)


def end(work: Deferred[Any] | Awaitable[Any]) -> None:
    """Wait for something that has nothing to wait for."""

    async def wait() -> bool:
        await work
        return True

    run(wait())


@pytest.fixture
def here(tmp_path: Path) -> Setting:
    return Setting(tmp_path)


def test_what_is_reserved_accepts_when_it_is_served(here: Setting) -> None:
    reservation = here.reserve("tcp:80")
    here.has((80, "", False, None))
    here.listen("tcp:port=80", "pages")
    end(reservation.release())
    here.has((80, "", True, "pages"))


def test_what_is_reserved_and_not_served_is_closed(here: Setting) -> None:
    here.listen("tcp:80", "pages")
    reservation = here.reserve("tcp:80", "tcp:90")
    end(reservation.release())
    here.has((80, "", True, "pages"))


def test_a_taken_port_leaves_all_as_it_was(here: Setting) -> None:
    here.listen("tcp:80", "pages")
    here.machine.taken.add(91)
    with pytest.raises(CannotReserve) as caught:
        here.reserve("tcp:90", "tcp:80", "tcp:91")
    assert caught.value.text == "tcp:91"
    here.has((80, "", True, "pages"))


def test_each_taken_port_is_named_at_once(here: Setting) -> None:
    here.listen("tcp:80", "pages")
    here.machine.taken.update({91, 92})
    with pytest.raises(CannotReserve) as caught:
        here.reserve("tcp:90", "tcp:91", "tcp:80", "tcp:nonsense", "tcp:92")
    told = [caught.value, *caught.value.others]
    assert sorted(one.text for one in told) == ["tcp:91", "tcp:92", "tcp:nonsense"]
    here.has((80, "", True, "pages"))


def test_ports_are_exchanged_and_exchanged_back(here: Setting) -> None:
    pages, workers = here.listen("tcp:80", "pages"), here.listen("tcp:90", "workers")
    reservation = here.reserve("tcp:90", "tcp:80")
    new_pages, new_workers = here.listen("tcp:90", "pages"), here.listen("tcp:80", "workers")
    here.has((80, "", True, "workers"), (90, "", True, "pages"))
    for gone in (new_pages, new_workers):
        end(gone.stopListening())
    here.has((80, "", True, "pages"), (90, "", True, "workers"))
    here.listen("tcp:90", "pages"), here.listen("tcp:80", "workers")
    for gone in (pages, workers):
        end(gone.stopListening())
    end(reservation.release())
    here.has((80, "", True, "workers"), (90, "", True, "pages"))


def test_another_address_of_a_number_makes_room(here: Setting) -> None:
    former = here.listen("tcp:80", "pages")
    reservation = here.reserve("tcp:80:interface=127.0.0.1")
    here.has((80, "127.0.0.1", False, None))
    here.listen("tcp:80:interface=127.0.0.1", "pages")
    end(former.stopListening())
    end(reservation.release())
    here.has((80, "127.0.0.1", True, "pages"))


def test_what_made_room_comes_back(here: Setting) -> None:
    former = here.listen("tcp:80", "pages")
    reservation = here.reserve("tcp:80:interface=127.0.0.1")
    assert former.getHost().port == 80
    end(reservation.release())
    here.has((80, "", True, "pages"))


def test_what_is_wanted_makes_no_room(here: Setting) -> None:
    here.listen("tcp:80", "pages")
    with pytest.raises(CannotReserve):
        here.reserve("tcp:80", "tcp:80:interface=127.0.0.1")
    here.has((80, "", True, "pages"))


def test_room_is_given_back_if_a_later_port_is_taken(here: Setting) -> None:
    here.listen("tcp:80", "pages")
    here.machine.taken.add(91)
    with pytest.raises(CannotReserve):
        here.reserve("tcp:80:interface=127.0.0.1", "tcp:91")
    here.has((80, "", True, "pages"))


def test_what_was_served_is_not_closed_while_something_is_reserved(here: Setting) -> None:
    former = here.listen("tcp:80", "changes")
    reservation = here.reserve("tcp:90")
    end(former.stopListening())
    here.has((80, "", False, None), (90, "", False, None))
    here.listen("tcp:80", "changes")
    end(reservation.release())
    here.has((80, "", True, "changes"))


def test_any_free_port_is_one_of_its_own(here: Setting) -> None:
    first, second = here.listen("tcp:0", "pages"), here.listen("tcp:0", "workers")
    assert first.getHost().port != second.getHost().port
    end(here.reserve("tcp:0").release())
    assert len(here.machine.ports) == 2


def test_a_server_of_two_ports_runs_until_the_last_is_closed(here: Setting) -> None:
    server = Server("pages")
    first = run(here.listeners.listen("tcp:80", server))
    second = run(here.listeners.listen("tcp:90", server))
    end(first.stopListening())
    assert server.numPorts == 1
    end(second.stopListening())
    assert server.numPorts == 0


SSL = "ssl:443:privateKey=key.pem:certKey=cert.pem"


def test_a_renewed_certificate_is_taken_and_given_back(here: Setting, tmp_path: Path) -> None:
    make_certificate(tmp_path, "one")
    here.listen(SSL + ":backlog=7", "pages")
    (port,) = here.machine.ports
    switch: Any = port.factory
    former = switch._target
    assert here.reserve(SSL).renewals == []
    make_certificate(tmp_path, "two")
    (renewal,) = here.reserve(SSL).renewals
    renewal.use()
    assert switch._target is not former
    assert "443 was renewed, good until" in renewal.describe()
    assert here.machine.ports == [port]
    renewal.undo()
    assert switch._target is former
    renewal.use()
    assert here.reserve(SSL).renewals == []


@pytest.mark.parametrize("damage", ["missing", "other key", "no key"])
def test_a_certificate_that_cannot_be_used_is_refused(
    damage: str, here: Setting, tmp_path: Path
) -> None:
    make_certificate(tmp_path, "one")
    here.listen(SSL, "pages")
    certificate = (tmp_path / "cert.pem").read_bytes()
    make_certificate(tmp_path, "two")
    if damage == "missing":
        (tmp_path / "key.pem").unlink()
    elif damage == "other key":
        (tmp_path / "cert.pem").write_bytes(certificate)
    else:
        (tmp_path / "key.pem").write_text("nothing")
    with pytest.raises(CannotReserve):
        here.reserve(SSL)
    assert len(here.machine.ports) == 1


def test_a_port_gets_tls_and_keeps_its_socket(here: Setting, tmp_path: Path) -> None:
    make_certificate(tmp_path, "one")
    plain = here.listen("tcp:443", "pages")
    (port,) = here.machine.ports
    reservation = here.reserve(SSL)
    here.listen(SSL, "pages")
    end(plain.stopListening())
    end(reservation.release())
    assert here.machine.ports == [port]
    assert type(port.factory._target).__name__ == "TLSMemoryBIOFactory"


def test_what_was_served_is_served_again_though_its_files_have_gone(
    here: Setting, tmp_path: Path
) -> None:
    make_certificate(tmp_path, "one")
    former = here.listen(SSL, "workers")
    reservation = here.reserve("tcp:90")
    (tmp_path / "key.pem").unlink()
    end(former.stopListening())
    here.listen(SSL, "workers")
    end(reservation.release())
    (port,) = here.machine.ports
    assert port.number == 443
    assert port.accepts


def test_one_socket_is_known_without_its_files(here: Setting) -> None:
    assert here.listeners.is_same(SSL, "tcp:443")
    assert not here.listeners.is_same(SSL, "tcp:444")
    assert here.listeners.is_same("unix:a.sock:mode=600", "unix:a.sock")
