"""The farm that is troubled: its configuration, as it changes, and what its commands leave behind.

Every command that a build runs carries the token of its request. It appends to a ledger what it
does, so that afterwards the ledger can be held against what the master says has happened.
"""

import random
import sys
from dataclasses import dataclass, field
from pathlib import Path

#: Marks the processes of one run in their environment, so that what is left over is found.
MARK = "CI_SOAK_RUN"

ALWAYS = (
    "quick",
    "locked",
    "noisy",
    "background",
    "upload",
    "uploaddir",
    "parent",
    "child",
    "long",
)
PASSING = ("comes1", "comes2", "comes3")  # builders that come and go

NOISY_LINES = 20_000

_BODY = """
import os
MARK = {mark!r}
LEDGER = {ledger!r}
PYTHON = {python!r}
TOKEN = util.Interpolate('%(prop:token)s')
env = {{MARK: {run!r}, 'TOKEN': TOKEN, 'LEDGER': LEDGER}}
one = util.MasterLock('one')

def run_sh(script, **more):
    return steps.ShellCommand(command=['sh', '-c', script], env=env, **more)

def add(name, *its_steps, workers={workers!r}, **more):
    c['builders'].append(util.BuilderConfig(
        name=name, workernames=workers, factory=util.BuildFactory(list(its_steps)), **more))

add('quick', steps.SetProperty(property='seen', value=TOKEN),
    run_sh('echo "quick $TOKEN" >> "$LEDGER"; echo "token $TOKEN"'), workers={everywhere!r})
add('locked', run_sh(
    'exec 9>>"$LEDGER.lock"; flock -n 9 || {{ echo "violation $TOKEN" >> "$LEDGER"; exit 3; }};'
    ' echo "begin $TOKEN" >> "$LEDGER"; sleep {hold}; echo "end $TOKEN" >> "$LEDGER"'),
    locks=[one.access('exclusive')])
add('noisy', run_sh('seq 1 {noisy}; sleep 1; seq 1 {noisy} >&2', name='print'),
    workers={everywhere!r})
add('background', run_sh('sleep 300 & echo started', timeout=4, name='spawn'))
add('upload',
    run_sh('rm -f part; for i in $(seq 1 2000); do echo "$TOKEN" >> part; done; echo end >> part'),
    steps.FileUpload(workersrc='part', masterdest={uploads!r} + '/file'),
    steps.FileUpload(workersrc='absent', masterdest={uploads!r} + '/file', flunkOnFailure=False,
                     haltOnFailure=False), workers={everywhere!r})
add('uploaddir',
    run_sh('rm -rf tree; mkdir -p tree/sub; for i in 1 2 3; do echo "$TOKEN" > tree/sub/$i; done'),
    steps.DirectoryUpload(workersrc='tree', masterdest={uploads!r} + '/tree'),
    workers={everywhere!r})
add('parent', steps.Trigger(schedulerNames=['children'], waitForFinish=True,
                            set_properties={{'token': TOKEN}}))
add('child', run_sh('echo "child-begin $TOKEN" >> "$LEDGER"; sleep 2;'
                    ' echo "child-end $TOKEN" >> "$LEDGER"'))
add('long', run_sh('echo begun; sleep 600', name='wait'),
    run_sh('echo cleaned', name='clean', alwaysRun=True))
for name, its_workers in {passing!r}.items():
    add(name, run_sh('sleep 2; echo done'), run_sh('sleep 1'), workers=its_workers,
        locks=[one.access('counting')])

names = [builder.name for builder in c['builders']]
c['schedulers'] = [
    schedulers.ForceScheduler(name='force', builderNames=names,
        properties=[util.StringParameter(name='token', default='none', maxsize=40)]),
    schedulers.Triggerable(name='children', builderNames=['child']),
]
"""


@dataclass
class Site:
    """What a run's master and commands are told."""

    directory: Path
    run: str
    workers: tuple[str, ...]
    stock_workers: tuple[str, ...]
    choice: random.Random
    #: Builders that are there at the moment, and the workers that they may use.
    passing: dict[str, list[str]] = field(default_factory=dict)

    @property
    def ledger(self) -> Path:
        """What commands have written of themselves."""
        return self.directory / "ledger"

    @property
    def uploads(self) -> Path:
        """Where the master keeps uploaded files."""
        return self.directory / "uploads"

    def change(self) -> None:
        """Let builders come and go, and move between workers."""
        for name in PASSING:
            if self.choice.random() < 0.5:
                some = self.choice.sample(self.workers, self.choice.randint(1, len(self.workers)))
                self.passing[name] = some
            else:
                self.passing.pop(name, None)

    def restore(self) -> None:
        """Have all builders on all workers."""
        self.passing = {name: list(self.workers) for name in PASSING}

    def body(self) -> str:
        """The configuration of the moment."""
        return _BODY.format(
            mark=MARK,
            run=self.run,
            ledger=str(self.ledger),
            python=sys.executable,
            uploads=str(self.uploads),
            noisy=NOISY_LINES,
            hold=1,
            passing=self.passing,
            workers=list(self.workers),
            everywhere=[*self.workers, *self.stock_workers],
        )
