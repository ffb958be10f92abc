"""What Python says in few words, as the author of a master.cfg reads it."""

from pathlib import Path

import pytest

from tests.unit.config.minimal import MINIMAL, faults_of

LINES = [
    ("c['builders'].append(c['services'])", "KeyError: c has no key 'services': it is used here"
     " before anything is assigned to it", "write c['services'] = [] above this line"),
    ("c['change_source'].append(1)", "has no key 'change_source'", "c['change_source'] = [] above"),
    ("c['www']['port'] = 1", "c has no key 'www'", "write c['www'] = {} above this line"),
    ("c['protocol']['pb'] = 1", "c has no key 'protocol'", "did you mean 'protocols'?"),
    ("for b in c['bilders']:\n    pass", "c has no key 'bilders'", "did you mean 'builders'?"),
    ("c['protocols']['web']['port']", "c['protocols'] has no key 'web'", "it has: pb"),
    ("ports = {}; ports['x']", "KeyError: ports has no key 'x'", "it has none at all"),
    ("{1: 2}[3]", "KeyError: there is no key 3", ""),
    ("import os; os.environ['CI_NO_SUCH']", "the environment variable 'CI_NO_SUCH' is not set",
     "write os.environ.get('CI_NO_SUCH', 'a default')"),
    ("GitPoller('x')", "NameError: name 'GitPoller' is not defined", "write changes.GitPoller"),
    ("os.path.join('a')", "name 'os' is not defined", "write this at the beginning: import os"),
    ("worker1 = zzz", "name 'zzz' is not defined", "a text is put in quotes"),
    ("import no_such_mod", "ModuleNotFoundError: No module named 'no_such_mod'",
     "put no_such_mod.py beside master.cfg; if it is a package, install it"),
    ("import jsonn", "No module named 'jsonn'", "did you mean 'json'? Or if it is a file of yours"),
    ("import json.nothing", "No module named 'json.nothing'", "the package json is there"),
    ("from os.path import joim", "cannot import name 'joim'", "did you mean 'join'?"),
    ("from buildbot.plugins import step", "cannot import name 'step'",
     "did you mean 'steps'?"),
    ("c.workers", "'dict' object has no attribute 'workers'", "in brackets: ['workers']"),
    ("c['builders'].add(1)", "'list' object has no attribute 'add'", "did you mean 'append'?"),
    ("'x'.upperr()", "has no attribute 'upperr'", "did you mean 'upper'?"),
    ("if True:\nx = 1", "IndentationError: expected an indented block", "number of spaces"),
    ("  x = 1", "IndentationError: unexpected indent", "same number of spaces"),
    ("if 1:\n\tx = 1\n        y = 2", "TabError: inconsistent use", "with spaces"),
    ("x = = 1", "SyntaxError: invalid syntax", "often the line before this one lacks a comma"),
    ("open('no-such-file')", "cannot open 'no-such-file': No such file or directory",
     "os.path.join(basedir, 'no-such-file')"),
    ("open('/no-such-file')", "cannot open '/no-such-file': No such file", ""),
    ("open(basedir)", "Is a directory", ""),
    ("def f():\n    x += 1\nx = 1\nf()", "access local variable 'x'",
     "write 'global x' in the function"),
    ("raise KeyError", "KeyError", ""),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "what", "mend"), LINES, ids=[one[0][:40] for one in LINES])
def test_a_mistake_is_told_in_a_sentence_with_its_line(
    tmp_path: Path, lines: str, what: str, mend: str
) -> None:
    (told,) = faults_of(tmp_path, MINIMAL + lines + "\n")
    head, *hints = told.split("\n    ")
    place, _, said = head.partition(": ")
    assert place.partition(":")[0] == "master.cfg"
    assert 7 <= int(place.partition(":")[2]) <= 9
    assert what in said
    assert any(mend in hint for hint in hints) if mend else len(hints) == 1, told
    assert "Traceback" not in told


def test_the_namespaces_need_their_import(tmp_path: Path) -> None:
    (told,) = faults_of(tmp_path, "c = BuildmasterConfig = {}\nc['w'] = [worker.Worker('a', 'b')]")
    assert "from ci_master.plugins import *" in told
    (told,) = faults_of(tmp_path, "c['workers'] = []\n")
    assert "c = BuildmasterConfig = {}" in told


def test_a_mistake_in_a_module_of_the_author_is_told_alike(tmp_path: Path) -> None:
    (tmp_path / "helpers_z.py").write_text("SETTINGS = {'port': 1}\nPORT = SETTINGS['prot']\n")
    (told,) = faults_of(tmp_path, MINIMAL + "import helpers_z\n")
    assert told.startswith("helpers_z.py:2: KeyError: SETTINGS has no key 'prot'\n")
    assert told.endswith("did you mean 'port'?")
