"""The tutorial, followed step by step: its commands and its code, as they stand in the file."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.process.farm import BIN, LIMIT_S, Rest, free_port, wait_until

pytestmark = pytest.mark.process

TUTORIAL = ROOT / "docs" / "tutorial.rst"


class Reader:
    """Somebody who does what the tutorial says, on ports that are free."""

    def __init__(self, home: Path) -> None:
        self.home = home / "ci-tutorial"
        self.home.mkdir()
        self.web_port, self.worker_port = free_port(), free_port()
        self.rest = Rest(self.web_port)
        # the environments of step 1: they have the commands of the one that tests run in
        for environment in ("master-env", "worker-env"):
            (self.home / environment).mkdir()
            (self.home / environment / "bin").symlink_to(BIN)
        self.sections = self._sections()

    def _sections(self) -> dict[str, list[str]]:
        """The blocks of each numbered section."""
        text = TUTORIAL.read_text(encoding="utf-8")
        text = text.replace("8010", str(self.web_port)).replace("9989", str(self.worker_port))
        parts = re.split(r"(?m)^(\d)\. .+\n=+\n", text)
        found = {}
        for number, body in zip(parts[1::2], parts[2::2], strict=True):
            blocks = re.findall(r"::\n\n((?:    .*\n|\n)+)", body)
            found[number] = [re.sub(r"(?m)^    ", "", block).strip("\n") + "\n" for block in blocks]
        return found

    def run(self, command: str, status: int = 0) -> str:
        """Run a block of commands; gives what it prints."""
        assert "/path/to" not in command
        done = subprocess.run(
            ["bash", "-e", "-c", command], cwd=self.home, capture_output=True, text=True,
            timeout=LIMIT_S, env={**os.environ, "HOME": str(self.home)},
        )  # fmt: skip
        assert done.returncode == status, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def build(self, number: int, builder: str = "tests") -> Any:
        """A build, when it has ended."""

        def ended() -> Any:
            status, body = self.rest.open("GET", f"/api/v2/builders/{builder}/builds/{number}")
            build = json.loads(body)["builds"][0] if status == 200 else {}
            return build if build.get("complete") else None

        return wait_until(ended, f"build {number} of {builder}")


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    made = Reader(tmp_path)
    yield made
    for program, name in (("worker", "worker1"), ("worker", "worker2"), ("master", "master")):
        subprocess.run([BIN / f"ci-{program}", "stop", made.home / name], capture_output=True)


def is_python(block: str) -> bool:
    """Whether a block belongs into master.cfg."""
    return bool(re.search(r"(?m)^(c\[|import os|recipe = |style = )", block))


def test_the_tutorial_works_as_it_is_written(reader: Reader) -> None:
    steps = reader.sections
    assert sorted(steps) == list("123456789")
    config = reader.home / "master" / "master.cfg"
    # 1: install (see __init__); 2: a repository
    assert "[master]" in steps["1"][0] and len(steps["1"]) == 1
    for command in steps["2"]:
        reader.run(command)
    # 3: the master
    code = [block for block in steps["3"] if is_python(block)]
    others = [block for block in steps["3"] if not is_python(block)]
    assert len(code) == 7 and len(others) == 4
    reader.run(others[0])
    config.write_text("\n".join(code))
    assert "Config file is good!" in reader.run(others[1])
    told = reader.run(others[2])
    for line in others[3].splitlines():
        assert line.replace("...", str(reader.home)).strip() in told
    assert [w["connected_to"] for w in reader.rest.all("workers")] == [[], []]
    # 4: the workers
    told = "".join(map(reader.run, steps["4"]))
    assert told.count("started, and connected to the master") == 2
    assert all(one["connected_to"] for one in reader.rest.all("workers"))
    polled = (reader.home / "master" / "gitpoller-work").glob
    wait_until(lambda: any(polled("*/refs/**/main")), "the first poll")
    # 5: a push
    for command in steps["5"]:
        reader.run(command)
    assert reader.build(1)["results"] == 0
    # 6: a forced build, whose owner is the one that the call names
    for command in steps["6"]:
        assert '"error"' not in reader.run(command)
    assert reader.build(2)["results"] == 0
    properties = reader.rest.one(f"builds/{reader.build(2)['buildid']}/properties")
    assert properties["owner"][0] == "Ada"
    # 7: a failure, and how it is mended
    broken, asked, mended = steps["7"]
    reader.run(broken)
    assert reader.build(3)["results"] == 2
    told = reader.run(asked)
    assert '"results": 2' in told and "test_two_and_two" in told and "FAILED" in told
    reader.run(mended)
    assert reader.build(4)["results"] == 0
    # 8: the second builder goes where the tutorial says: at the end
    added, reconfig = steps["8"]
    config.write_text(config.read_text() + added)
    assert "style" not in {one["name"] for one in reader.rest.all("builders")}
    reader.run(reconfig)
    assert "style" in {one["name"] for one in reader.rest.all("builders")}
    config.write_text(config.read_text().replace("steps.Git(", "steps.Gti("))
    told = reader.run(reconfig, status=1)
    assert "master.cfg:" in told and "did you mean steps.Git?" in told and "Traceback" not in told
    config.write_text(config.read_text().replace("steps.Gti(", "steps.Git("))
    reader.run("cd work && echo '# a comment' >> sums.py && git commit -qam Comment && git push -q")
    assert reader.build(1, "style")["results"] == 0
    # 9: the end
    for command in steps["9"]:
        reader.run(command)
    assert not (reader.home / "master" / "twistd.pid").exists()
