"""What the parts of a configuration say about each other."""

from pathlib import Path

import pytest

from tests.unit.config.minimal import MINIMAL, faults_of, load

BUILDER = "util.BuilderConfig(name={name!r}, workernames=['w'], factory=util.BuildFactory())"

WRONG = [
    (
        "c['workers'] = []",
        [
            "master.cfg:5, builder 'b': there is no worker 'w'\n    known workers: none",
            "master.cfg:7: no workers are configured\n"
            "    write c['workers'] = [worker.Worker('name', 'password')]",
        ],
    ),
    (
        "c['builders'] = []",
        [
            "master.cfg:6, scheduler 's': there is no builder 'b'\n    known builders: none",
            "master.cfg:7: no builders are configured\n"
            "    write c['builders'] ="
            " [util.BuilderConfig(name=..., workernames=[...], factory=...)]",
        ],
    ),
    (
        "c['protocols'] = {}",
        [
            "master.cfg:7: workers are configured, but c['protocols'] not\n"
            "    write c['protocols'] = {'pb': {'port': 9989}}"
        ],
    ),
    (
        "c['schedulers'] = []",
        [
            "master.cfg:5: builder(s) b have no schedulers to drive them\n"
            "    name them in the builderNames of a scheduler, for example a ForceScheduler"
        ],
    ),
    (
        "c['schedulers'].append(schedulers.AnyBranchScheduler(name='f', builderNames=['bb']))",
        [
            "master.cfg:7, scheduler 'f': there is no builder 'bb'\n    did you mean 'b'?",
        ],
    ),
    (
        "c['builders'].append(util.BuilderConfig(name='b2', workernames=['wx'],"
        " factory=util.BuildFactory())); c['schedulers'].append("
        "schedulers.AnyBranchScheduler(name='f', builderNames=['b2']))",
        ["master.cfg:7, builder 'b2': there is no worker 'wx'\n    did you mean 'w'?"],
    ),
    (
        f"c['builders'].append({BUILDER.format(name='b')})",
        [
            "master.cfg:7, builder 'b': duplicate builder name 'b'\n"
            "    the first one is builder 'b' at master.cfg:5"
        ],
    ),
    (
        f"c['builders'].append({BUILDER.format(name='b')[:-1]}, builddir='b'));"
        "c['builders'][-1].name = 'other'; c['schedulers'].append("
        "schedulers.AnyBranchScheduler(name='f', builderNames=['other']))",
        [
            "master.cfg:7, builder 'other': duplicate builder builddir 'b'\n"
            "    the first one is builder 'b' at master.cfg:5"
        ],
    ),
    (
        "c['schedulers'].append(schedulers.AnyBranchScheduler(name='s', builderNames=['b']))",
        [
            "master.cfg:7, scheduler 's': duplicate scheduler name 's'\n"
            "    the first one is at master.cfg:6"
        ],
    ),
    (
        "c['workers'].append(worker.Worker('w', 'x'))",
        [
            "master.cfg:7, worker 'w': duplicate worker name 'w'\n"
            "    the first one is at master.cfg:3"
        ],
    ),
    (
        "c['workers'].append(worker.Worker('w2', 'x', machine_name='mm'))",
        ["master.cfg:7, worker 'w2': there is no machine 'mm'\n    known machines: none"],
    ),
    (
        "c['projects'] = [util.Project(name='p'), util.Project(name='p')]",
        [
            "master.cfg:7, project 'p': duplicate project name 'p'\n"
            "    the first one is at master.cfg:7"
        ],
    ),
    (
        "c['codebases'] = [util.Codebase(name='cb', project='nope')]",
        ["master.cfg:7, codebase 'cb': there is no project 'nope'\n    known projects: none"],
    ),
    (
        "c['builders'][0].project = 'p'",
        ["master.cfg:5, builder 'b': there is no project 'p'\n    known projects: none"],
    ),
]


@pytest.mark.parametrize(("line", "faults"), WRONG, ids=range(len(WRONG)))
def test_what_does_not_fit_together_is_refused(
    tmp_path: Path, line: str, faults: list[str]
) -> None:
    assert faults_of(tmp_path, MINIMAL + line + "\n") == faults


def test_two_different_locks_of_one_name_are_refused(tmp_path: Path) -> None:
    lines = """
one, two = util.MasterLock('lock'), util.MasterLock('lock', maxCount=2)
for name, lock in ('x', one), ('y', two):
    c['builders'].append(util.BuilderConfig(name=name, workernames=['w'],
        factory=util.BuildFactory(), locks=[lock.access('counting')]))
c['schedulers'].append(schedulers.AnyBranchScheduler(name='f', builderNames=['x', 'y']))
"""
    assert faults_of(tmp_path, MINIMAL + lines) == [
        "master.cfg:10, builder 'y': Two locks share the same name, 'lock'\n"
        "    make one lock, and use it in both places"
    ]


def test_a_lock_of_a_step_is_compared_too(tmp_path: Path) -> None:
    lines = """
one, two = util.MasterLock('lock'), util.MasterLock('lock', maxCount=2)
c['builders'][0].locks = [one.access('counting')]
c['builders'][0].factory.addStep(
    steps.ShellCommand(command=['true'], locks=[two.access('counting')]))
"""
    assert len(faults_of(tmp_path, MINIMAL + lines)) == 1


def test_several_masters_are_refused_until_they_work(tmp_path: Path) -> None:
    assert faults_of(tmp_path, MINIMAL + "c['multiMaster'] = True\n") == [
        "master.cfg:7: c['multiMaster'] is True, but several masters on one database do not work"
        " yet\n"
        "    leave it out, and give each master a database of its own"
    ]
    assert faults_of(tmp_path, MINIMAL + "c['multiMaster'] = False\n") == []


def test_builder_names_that_are_rendered_may_be_any(tmp_path: Path) -> None:
    lines = """
@util.renderer
def names(props):
    return ['b']
c['schedulers'] = [schedulers.AnyBranchScheduler(name='s', builderNames=names)]
"""
    assert faults_of(tmp_path, MINIMAL + lines) == []


def test_a_builder_may_be_given_as_a_dictionary(tmp_path: Path) -> None:
    lines = """
c['builders'] = [dict(name='b', workernames=['w'], factory=util.BuildFactory())]
"""
    assert [builder.name for builder in load(tmp_path, MINIMAL + lines).builders] == ["b"]
