"""Random kills, reloads, stops, forces and hangs on a real farm; then what must hold is checked.

``python -m tests.soak.chaos --minutes 20 --seed 7`` runs it; the seed makes the choices, not the
timing, the same again. It prints a line a minute, then each broken invariant, and exits with 1 if
there is one.
"""

import argparse
import http.client
import itertools
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests import postgres
from tests.process.farm import STOCK_WORKER, Daemon, Farm, wait_until
from tests.soak import checks
from tests.soak.site import ALWAYS, MARK, Site

WORKERS = ("w1", "w2", "w3", "w4")
#: Buildbot's worker, where there is one. It serves what survives without our worker's care.
STOCK = ("stock",) if STOCK_WORKER else ()
PAGES = ("", "waterfall", "builders", "workers", "queue", "builders/quick", "changes")
#: A stop must have ended the build by then: ten seconds promised, the rest for a busy machine.
STOP_LIMIT_S = 30.0
#: Most requests that wait at one time.
MOST_WAITING = 40

Act = Callable[[], None]


class Chaos:
    """One run: acts at random, and notes what it was promised."""

    def __init__(self, directory: Path, seed: int, db_url: str | None) -> None:
        self.choice = random.Random(seed)
        self.farm = Farm(directory)
        self.run = f"soak-{os.getpid()}-{seed}"
        os.environ[MARK] = self.run  # daemons, and what they start, inherit it
        self.master = self.farm.master(db_url)
        self.site = Site(directory, self.run, WORKERS, STOCK, self.choice)
        self.site.uploads.mkdir()
        self.site.ledger.touch()
        self.site.restore()
        self.workers: dict[str, Daemon] = {}
        self.tokens = itertools.count(1)
        #: Acknowledged requests: id -> (builder, token).
        self.promised: dict[int, tuple[str, str]] = {}
        self.paused: set[str] = set()
        self.broken: list[str] = []
        self.counts: Counter[str] = Counter()
        self.acts: list[tuple[int, Act]] = [
            (40, self.force),
            (8, self.stop_a_build),
            (4, self.cancel_a_request),
            (2, self.kill_the_master),
            (2, self.restart_the_master),
            (4, self.kill_a_worker),
            (3, self.hang_a_worker),
            (2, self.stop_on_a_hung_worker),
            (4, self.reload),
            (2, self.pause_or_unpause),
            (3, self.send_nonsense),
            (6, self.look),
        ]

    def broke(self, text: str) -> None:
        """Note that something does not hold."""
        self.broken.append(text)
        print(f"BROKEN after {sum(self.counts.values())} acts: {text}", flush=True)

    # -- begin and end

    def begin(self) -> None:
        """Start the farm."""
        self.configure()
        self.master.start()
        for name in WORKERS + STOCK:
            self.start_worker(name)
        for name in WORKERS + STOCK:
            self.master.wait_for_worker(name)

    def configure(self) -> None:
        """Write the configuration of the moment."""
        self.master.configure(self.site.body(), WORKERS + STOCK)

    def start_worker(self, name: str) -> None:
        """Start a worker that does not run."""
        daemon = self.farm.worker(self.master, name, stock=name in STOCK)
        assert daemon is not None
        self.workers[name] = daemon

    def trouble(self, seconds: float) -> None:
        """Act at random for so long."""
        end, minute = time.monotonic() + seconds, 0
        begun = time.monotonic()
        weights = [weight for weight, _ in self.acts]
        while time.monotonic() < end:
            (_, act) = self.choice.choices(self.acts, weights)[0]
            self.counts[act.__name__] += 1
            try:
                act()
            except (OSError, http.client.HTTPException) as error:
                if not self.daemon.is_running():
                    self.broke(f"the master died by itself in {act.__name__}: {error}")
                    self.master.start()
                else:
                    self.broke(f"{act.__name__}: the master did not answer: {error!r}")
            except AssertionError as error:
                self.broke(f"{act.__name__}: {str(error)[:2000]}")
            time.sleep(self.choice.random() * 0.5)
            if time.monotonic() - begun > minute * 60:
                minute += 1
                asked, acts = len(self.promised), sum(self.counts.values())
                text = f"{minute} min: {acts} acts, {asked} requests, {len(self.broken)} broken"
                print(text, flush=True)

    def settle(self, limit_s: float = 600) -> None:
        """Let everything that was asked for come to its end."""
        self.site.restore()
        self.configure()
        self.master.reload()
        for name in sorted(self.paused):
            self.master.rest.call(f"workers/{name}", "unpause", reason="the end")
        for name in WORKERS + STOCK:
            try:
                self.master.wait_for_worker(name)
            except AssertionError as error:
                self.broke(str(error))
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            for build in self.running():
                if self.builder_of(build) == "long":
                    self.call_gently(f"builds/{build['buildid']}", "stop", reason="the end")
            if not self.master.rest.all("buildrequests?complete=false") and not self.running():
                return
            time.sleep(0.5)
        for one in self.master.rest.all("buildrequests?complete=false"):
            self.broke(f"request does not end: {one}")
        for one in self.running():
            self.broke(f"build does not end: {one}")

    def end(self) -> None:
        """Stop the farm."""
        if self.master.stop() != 0:
            self.broke("the master did not end with status 0")
        for daemon in self.workers.values():
            daemon.stop()
        checks.no_process_is_left(self.run, self.broke)

    # -- helpers

    @property
    def daemon(self) -> Daemon:
        assert self.master.daemon is not None
        return self.master.daemon

    def running(self) -> list[dict[str, Any]]:
        """The builds that run."""
        return self.master.rest.all("builds?complete=false")

    def builder_of(self, build: dict[str, Any]) -> str:
        """The name of a build's builder."""
        return str(self.master.rest.one(f"builders/{build['builderid']}")["name"])

    def call_gently(self, path: str, method: str, **params: Any) -> int:
        """An action that may come too late; gives the status, which must be none of the 500s."""
        request = {"jsonrpc": "2.0", "method": method, "params": params, "id": 1}
        status, body = self.master.rest.open(
            "POST", f"/api/v2/{path}", json.dumps(request).encode(),
            {"Content-Type": "application/json"},
        )  # fmt: skip
        if status >= 500:
            self.broke(f"{method} of {path} answered {status}: {body[:300]!r}")
        return status

    # -- acts

    def force(self) -> None:
        """Ask for a build."""
        if len(self.master.rest.all("buildrequests?complete=false")) > MOST_WAITING:
            return
        builder = self.choice.choice([*ALWAYS[:-1], *ALWAYS[:-1], "long", *self.site.passing])
        if builder == "child":
            builder = "parent"
        token = f"t{next(self.tokens)}"
        request = self.master.force(builder, token=token)
        self.promised[request] = (builder, token)

    def stop_a_build(self) -> None:
        """Stop a running build; it must end soon."""
        running = self.running()
        if not running:
            return
        build = self.choice.choice(running)
        if self.call_gently(f"builds/{build['buildid']}", "stop", reason="chance") == 200:
            self.ends_soon(build)

    def ends_soon(self, build: dict[str, Any]) -> None:
        """A stopped build ends in time."""
        path = f"builds/{build['buildid']}"
        try:
            wait_until(
                lambda: self.master.rest.one(path)["complete"], f"the end of {path}", STOP_LIMIT_S
            )
        except AssertionError as error:
            self.broke(f"{error} ({self.builder_of(build)}): {self.master.rest.one(path)}")

    def cancel_a_request(self) -> None:
        """Take a waiting request back."""
        waiting = self.master.rest.all("buildrequests?complete=false&claimed=false")
        if waiting:
            one = self.choice.choice(waiting)["buildrequestid"]
            self.call_gently(f"buildrequests/{one}", "cancel", reason="chance")

    def kill_the_master(self) -> None:
        """``kill -9``, and start it again."""
        self.master.kill()
        self.master.start()
        self.promises_are_kept()

    def restart_the_master(self) -> None:
        """Stop it as its administrator does, and start it again."""
        if self.master.stop() != 0:
            self.broke("the master did not end with status 0")
        self.master.start()
        self.promises_are_kept()

    def promises_are_kept(self) -> None:
        """What was acknowledged is there after a restart."""
        known = {one["buildrequestid"] for one in self.master.rest.all("buildrequests")}
        lost = self.promised.keys() - known
        if lost:
            self.broke(f"acknowledged requests are gone: {sorted(lost)}")
        paused = {one["name"] for one in self.master.rest.all("workers") if one["paused"]}
        if paused != self.paused:
            self.broke(f"workers paused: {sorted(paused)}, should be {sorted(self.paused)}")

    def kill_a_worker(self) -> None:
        """``kill -9``, and start it again."""
        name = self.choice.choice(WORKERS + STOCK)
        self.workers[name].kill()
        self.start_worker(name)

    def hang_a_worker(self) -> None:
        """Let a worker hang for a while."""
        daemon = self.workers[self.choice.choice(WORKERS + STOCK)]
        os.kill(daemon.pid, signal.SIGSTOP)
        try:
            time.sleep(self.choice.uniform(0.5, 8))
        finally:
            os.kill(daemon.pid, signal.SIGCONT)

    def stop_on_a_hung_worker(self) -> None:
        """Stop a build whose worker hangs."""
        running = self.running()
        if not running:
            return
        build = self.choice.choice(running)
        if build["workerid"] is None:
            return
        name = self.master.rest.one(f"workers/{build['workerid']}")["name"]
        daemon = self.workers[name]
        os.kill(daemon.pid, signal.SIGSTOP)
        try:
            if self.call_gently(f"builds/{build['buildid']}", "stop", reason="hung") == 200:
                self.ends_soon(build)
        finally:
            os.kill(daemon.pid, signal.SIGCONT)

    def reload(self) -> None:
        """Let builders come and go under what runs on them."""
        self.site.change()
        self.configure()
        answer = self.master.reload()
        if "configuration update complete" not in answer:
            self.broke(f"a reload failed: {answer[-1500:]}")

    def pause_or_unpause(self) -> None:
        """Pause a worker, or let it work again."""
        if self.paused:
            name = self.paused.pop()
            self.master.rest.call(f"workers/{name}", "unpause", reason="chance")
        else:
            name = self.choice.choice(WORKERS + STOCK)
            self.master.rest.call(f"workers/{name}", "pause", reason="chance")
            self.paused.add(name)

    def send_nonsense(self) -> None:
        """Ask for what cannot be; it must be refused, and harm nothing."""
        path, method, params = self.choice.choice(
            [
                ("forceschedulers/force", "force", {"reason": "r" * 3_000_000}),
                ("forceschedulers/force", "force", {"reason": {"a": [1]}}),
                ("forceschedulers/force", "force", {"reason": "\ud800"}),
                ("workers/w1", "pause", {"reason": {"a": [1]}}),
                ("workers/w1", "pause", {"reason": "p" * 3_000_000}),
                ("builds/1", "stop", {"reason": 7}),
                ("buildrequests/1", "cancel", {"reason": ["x"]}),
                ("builds/\u00b2", "stop", {}),
            ]
        )
        if method == "force":
            quick = self.master.rest.one("builders/quick")["builderid"]
            params = {"builderid": quick, "token": "nonsense", **params}
        status = self.call_gently(quote(path), method, **params)
        if status < 400 and method in ("force", "pause"):
            self.broke(f"{method} with {str(params)[:60]} was taken")

    def look(self) -> None:
        """Read pages, and the uploads that are visible."""
        page = self.choice.choice(PAGES)
        status, _body = self.master.rest.open("GET", f"/{page}", headers={"Accept": "text/html"})
        if status != 200:
            self.broke(f"/{page} answered {status}")
        checks.uploads_are_whole(self.site.uploads, self.broke)


def parsed(argv: list[str]) -> argparse.Namespace:
    """The arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--keep", action="store_true", help="keep the directory of the run")
    return parser.parse_args(argv)


def soak(directory: Path, seed: int, minutes: float, db_url: str | None) -> Chaos:
    """Run it; what was broken is in the answer."""
    chaos = Chaos(directory, seed, db_url)
    try:
        chaos.begin()
        chaos.trouble(minutes * 60)
        chaos.settle()
        results = checks.Results(chaos.master, chaos.promised, chaos.site)
        results.check(chaos.broke)
        print("acts:", dict(chaos.counts))
        print("results of builds:", results.summary())
        chaos.end()
        checks.log_is_clean(chaos.master.log(), chaos.broke)
    finally:
        chaos.farm.close()
    return chaos


def main(argv: list[str]) -> int:
    """Run it, and say what did not hold."""
    options = parsed(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the farm ends as well
    cluster = None
    if options.database == "postgresql":
        cluster = postgres.Cluster()
        cluster.start()
    directory = Path(tempfile.mkdtemp(prefix="ci-soak-"))
    print(f"seed {options.seed}, in {directory}", flush=True)
    try:
        db_url = cluster.new_database() if cluster is not None else None
        chaos = soak(directory, options.seed, options.minutes, db_url)
    finally:
        if cluster is not None:
            cluster.stop()
    if not chaos.broken and not options.keep:
        shutil.rmtree(directory, ignore_errors=True)
    print(f"{len(chaos.broken)} broken")
    for text in chaos.broken:
        print("-", text)
    return 1 if chaos.broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
