"""Run shell examples in a scratch directory, with other ports and stand-ins for installing."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.documentation.blocks import ROOT

BIN = Path(sys.executable).parent

_PYTHON = """\
#!/bin/sh
# "python3 -m venv DIR" makes a directory with our programs; everything else is Python's.
if [ "$1" = -m ] && [ "$2" = venv ]; then
    mkdir -p "$3/bin"
    for name in ci-master ci-worker python3; do ln -sfn "{bin}/$name" "$3/bin/$name"; done
    ln -sfn "{stand_ins}/pip" "$3/bin/pip"
    exit 0
fi
exec "{python}" "$@"
"""
_PIP = """\
#!/bin/sh
# "pip install PATH[extras]": what is named has to be there.
[ "$1" = install ] || exit 2
for word in "$@"; do
    case "$word" in
        install|-*) ;;
        *) [ -e "${word%%\\[*}" ] || { echo "there is no $word" >&2; exit 1; } ;;
    esac
done
"""


class Shell:
    """Runs example after example; the directory that one ends in is where the next one begins.

    :param replaced: texts of the examples and what stands for them, such as ports.
    """

    def __init__(self, directory: Path, replaced: Mapping[str, str]) -> None:
        self.cwd = directory
        self.home = directory
        self.replaced = {"/path/to/checkout": str(ROOT), **replaced}
        stand_ins = directory / "stand-ins"
        stand_ins.mkdir(parents=True)
        for name, text in (
            ("python3", _PYTHON.format(bin=BIN, python=sys.executable, stand_ins=stand_ins)),
            ("pip", _PIP),
        ):
            (stand_ins / name).write_text(text)
            (stand_ins / name).chmod(0o755)
        self.env = {
            **os.environ,
            "HOME": str(directory),
            "PATH": f"{stand_ins}:{BIN}:{os.environ['PATH']}",
            "GIT_CONFIG_GLOBAL": str(directory / "gitconfig"),
        }
        self.output = ""

    def with_replacements(self, text: str) -> str:
        """A text of an example, with what stands for parts of it."""
        for old, new in self.replaced.items():
            text = text.replace(old, new)
        return text

    def run(self, text: str) -> str:
        """Run an example; gives what it printed.

        :raises AssertionError: if a command of it fails.
        """
        script = (
            f"set -e\ncd '{self.cwd}'\n{self.with_replacements(text)}\npwd >'{self.home}/cwd'\n"
        )
        with (self.home / "output").open("w+b") as output:  # daemons may keep it open
            done = subprocess.run(
                ["bash", "-c", script],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self.env,
                timeout=300,
            )
            output.seek(0)
            self.output = output.read().decode(errors="replace")
        assert done.returncode == 0, f"{text}\nprinted:\n{self.output}"
        self.cwd = Path((self.home / "cwd").read_text().strip())
        return self.output

    def check_output(self, expected: str) -> None:
        """Compare what was printed last with an example of kind ``output``; ... is anything."""
        lines = self.with_replacements(expected).strip().splitlines()
        pattern = r"\s*\n\s*".join(re.escape(line).replace(r"\.\.\.", ".*") for line in lines)
        assert re.search(pattern, self.output), f"expected:\n{expected}\nprinted:\n{self.output}"

    def end_daemons(self) -> None:
        """End what examples started in the background."""
        for path in self.home.rglob("twistd.pid"):
            with contextlib.suppress(OSError, ValueError):
                os.kill(int(path.read_text()), signal.SIGKILL)
        shutil.rmtree(self.home / "stand-ins", ignore_errors=True)
