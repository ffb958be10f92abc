"""What must hold at every moment, and what must hold at the end."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ci_common.results import CANCELLED, FAILURE, RETRY, SKIPPED, SUCCESS
from ci_common.results import Results as NAMES
from tests.process.farm import Master, wait_until
from tests.soak.site import MARK, NOISY_LINES, Site

Broke = Callable[[str], None]


def uploads_are_whole(uploads: Path, broke: Broke) -> None:
    """An uploaded file is the one of a single build, complete; nothing half-written is visible."""
    try:
        text = (uploads / "file").read_text()
    except FileNotFoundError:
        text = ""
    lines = text.splitlines()
    if text and (len(lines) != 2001 or lines[-1] != "end" or len(set(lines)) != 2):
        broke(f"an uploaded file is not whole: {len(lines)} lines, ends in {lines[-1:]}")


def no_process_is_left(run: str, broke: Broke) -> None:
    """When master and workers have ended, nothing that they started is there any more."""
    mark = f"{MARK}={run}".encode()

    def left() -> list[str]:
        found = []
        for directory in Path("/proc").glob("[0-9]*"):
            try:
                if mark not in (directory / "environ").read_bytes().split(b"\0"):
                    continue
                command = (directory / "cmdline").read_bytes().replace(b"\0", b" ")
            except OSError:
                continue  # ended meanwhile, or not ours
            if command and "tests.soak" not in command.decode(errors="replace"):
                found.append(f"{directory.name}: {command.decode(errors='replace')}")
        return found

    try:
        wait_until(lambda: not left(), "the end of all processes", 30, every_s=0.5)
    except AssertionError:
        broke(f"processes are left: {left()}")


def log_is_clean(log: str, broke: Broke) -> None:
    """No traceback in the master's log."""
    lines = log.splitlines()
    seen: set[str] = set()
    for number, line in enumerate(lines):
        if "Traceback (most recent call last)" in line:
            block = lines[max(0, number - 3) : number + 40]
            last = next((one for one in block[4:] if one and not one[0].isspace()), "")
            if last not in seen:
                seen.add(last)
                broke("a traceback in the master's log:\n" + "\n".join(block))


class Results:
    """What the master says of everything that was asked for."""

    def __init__(self, master: Master, promised: dict[int, tuple[str, str]], site: Site) -> None:
        self.master = master
        self.promised = promised
        self.site = site
        rest = master.rest
        self.requests = {one["buildrequestid"]: one for one in rest.all("buildrequests")}
        self.builds = rest.all("builds?property=token")
        self.buildsets = rest.all("buildsets")
        self.names = {one["builderid"]: one["name"] for one in rest.all("builders")}
        self.of_request: dict[int, list[dict[str, Any]]] = defaultdict(list)
        for build in sorted(self.builds, key=lambda build: build["buildid"]):
            self.of_request[build["buildrequestid"]].append(build)

    def summary(self) -> dict[str, int]:
        """How many builds ended how."""
        return dict(Counter(NAMES[build["results"]] for build in self.builds))

    def check(self, broke: Broke) -> None:
        """All of it."""
        for request, (builder, token) in self.promised.items():
            self._promise(request, builder, token, broke)
        for build in self.builds:
            self._build(build, broke)
        for buildset in self.buildsets:
            if not buildset["complete"]:
                broke(f"a buildset is not complete: {buildset}")
        self._numbers(broke)
        self._ledger(broke)
        self._children(broke)

    def _promise(self, request: int, builder: str, token: str, broke: Broke) -> None:
        one = self.requests.get(request)
        if one is None:
            broke(f"request {request} ({builder}, {token}) is gone")
            return
        if not one["complete"]:
            broke(f"request {request} ({builder}, {token}) is not complete")
        if one["results"] == SKIPPED:
            broke(f"request {request} ({builder}, {token}) was collapsed away")
        builds = self.of_request[request]
        final = [build for build in builds if build["results"] != RETRY]
        if len(final) > 1:
            broke(f"request {request} was built {len(final)} times: {final}")
        if not final and one["results"] != CANCELLED:
            broke(f"request {request} ({builder}) ended as {one['results']} without a build")
        if final and final[0]["results"] != one["results"]:
            broke(f"request {request}: {one['results']}, its build: {final[0]['results']}")
        for before, after in itertools.pairwise(builds):
            if after["started_at"] < before["complete_at"]:
                broke(f"two builds of request {request} at once: {before}, {after}")

    def _build(self, build: dict[str, Any], broke: Broke) -> None:
        name = self.names[build["builderid"]]
        if not build["complete"]:
            broke(f"build {build['buildid']} of {name} has not ended")
            return
        allowed = {SUCCESS, CANCELLED, RETRY} if name != "background" else {
            FAILURE, CANCELLED, RETRY}  # fmt: skip
        if name == "parent":
            allowed |= {FAILURE}  # its child was stopped
        if build["results"] not in allowed:
            broke(f"build {build['buildid']} of {name} is {NAMES[build['results']]}")
        for step in self.master.rest.all(f"builds/{build['buildid']}/steps"):
            if not step["complete"]:
                broke(f"step {step['name']} of build {build['buildid']} has not ended")
            for log in self.master.rest.all(f"steps/{step['stepid']}/logs"):
                if not log["complete"]:
                    broke(f"log {log['name']} of step {step['stepid']} has not ended")
                if name == "noisy" and log["name"] == "stdio":
                    self._noise(build, log, broke)

    def _noise(self, build: dict[str, Any], log: dict[str, Any], broke: Broke) -> None:
        path = f"logs/{log['logid']}/contents?limit={10 * NOISY_LINES}"
        lines = [line[1:] for line in self.master.rest.one(path)["content"].splitlines()]
        if len(lines) != log["num_lines"]:
            broke(f"log {log['logid']} says {log['num_lines']} lines, {len(lines)} come back")
        if build["results"] == SUCCESS:
            numbers = [line for line in lines if line.isdecimal()]
            wanted = [str(number) for number in range(1, NOISY_LINES + 1)] * 2
            if numbers != wanted:
                broke(f"log {log['logid']} of a green build is not what was printed")

    def _numbers(self, broke: Broke) -> None:
        seen: dict[int, list[int]] = defaultdict(list)
        for build in self.builds:
            seen[build["builderid"]].append(build["number"])
        for builder, numbers in seen.items():
            if len(set(numbers)) != len(numbers):
                broke(f"numbers of {self.names[builder]} came twice: {sorted(numbers)}")

    def _ledger(self, broke: Broke) -> None:
        held = ""
        for line in self.site.ledger.read_text().splitlines():
            word, _, token = line.partition(" ")
            if word == "violation":
                broke(f"a lock was held by two: {held} and {token}")
            elif word == "begin":
                held = token

    def _children(self, broke: Broke) -> None:
        """A parent that is made again does not have its child made again."""
        done: Counter[str] = Counter()
        for build in self.builds:
            if self.names[build["builderid"]] == "child" and build["results"] == SUCCESS:
                done[build["properties"]["token"][0]] += 1
        for token, count in done.items():
            if count > 1:
                broke(f"the child of {token} was built to its end {count} times")
