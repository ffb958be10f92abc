"""A reload that fails anywhere leaves everything as it was.

A whole master runs in this process. One function after the other of those that a reload calls is
made to fail, at its first call, its second, and so on, before it has done its work and after; and
what runs is compared with what ran before.
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import reactor as the_reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from ci_common.aio import to_deferred
from ci_common.listeners import Listeners, Renewal
from ci_master.app.house import House
from ci_master.app.master import BuildMaster
from ci_master.app.members import Members
from ci_master.builds.locks import LockTable
from ci_master.changes.pb import PBChangeSource
from ci_master.data.builders import Builders, Projects
from ci_master.data.codebases import Codebases
from ci_master.data.outbox import Outbox
from ci_master.data.schedulers import Owned
from ci_master.data.service import BuildbotService
from ci_master.data.workers import Workers
from ci_master.queue.queue import Queue
from ci_master.schedulers.base import ReconfigurableBaseScheduler
from ci_master.secrets.registry import Secrets
from ci_master.wire.ports import PBPorts
from ci_master.workers.config import AbstractWorker
from ci_master.workers.registry import WorkerRegistry
from ci_www.server import WebServer
from ci_www.site import AccessLog
from tests.certificates import make_certificate
from tests.process.farm import free_port

pytestmark = pytest.mark.process

reactor: Any = the_reactor

#: What a reload calls: (class, method)
TARGETS = [
    (Listeners, "reserve"),
    (Listeners, "listen"),
    (Secrets, "prepare"),
    (Secrets, "change"),
    (WebServer, "prepare"),
    (WebServer, "change"),
    (AccessLog, "__init__"),
    (Renewal, "use"),
    (House, "_spread"),
    (Projects, "sync"),
    (Codebases, "sync"),
    (Builders, "sync"),
    (Workers, "sync"),
    (Owned, "sync"),
    (Outbox, "keep_only"),
    (Members, "apply"),
    (BuildbotService, "enter"),
    (BuildbotService, "take_over"),
    (BuildbotService, "start_below"),
    (ReconfigurableBaseScheduler, "activate"),
    (PBChangeSource, "activate"),
    (AbstractWorker, "reconfigService"),
    (WorkerRegistry, "configure"),
    (WorkerRegistry, "_let_in"),
    (PBPorts, "register_worker"),
    (PBPorts, "opened"),
    (LockTable, "configure"),
    (Queue, "configure"),
]

#: What gives something that is to be closed: if that got lost, so would the way to close it.
GIVERS = ("reserve", "listen", "__init__", "register_worker")

#: What is done again if it fails, and may succeed then; and what is done after the change, too,
#: where a failure is logged, and is made good by the next reload.
TRIED_AGAIN = ("listen", "_let_in", "register_worker")

HELPER = """
from ci_master.plugins import secrets
from buildbot.util.service import BuildbotService

class Own(BuildbotService):
    def reconfigService(self, words, fails=''):
        self.words = words
        if fails == 'reconfig':
            raise ValueError('it does not like this')

    async def startService(self):
        super().startService()
        if self.service_kwargs.get('fails') == 'start':
            raise ValueError('it does not start')

class Other(Own):
    pass
"""

CONFIG = """
import sys
sys.path.insert(0, basedir + '/lib')
from helper_all import Own, Other
from ci_master.plugins import *
from datetime import timedelta
N = {n}
c = BuildmasterConfig = {{}}
c['title'] = f'Number {{N}}'
c['buildbotNetUsageData'] = None
lock = util.MasterLock('lock', maxCount=1 + N)
f = util.BuildFactory([steps.ShellCommand(command=['true'])] * (1 + N))
def builder(name, **more):
    return util.BuilderConfig(name=name, workernames=['w1'], factory=f,
        locks=[lock.access('counting')], **more)
c['projects'] = [util.Project(name='p', slug=f'p{{N}}')]
c['builders'] = [builder('same'), builder('changed', tags=[str(N)]), builder(f'only{{N}}')]
c['workers'] = [worker.Worker('w1', f'secret{{N}}'), worker.Worker('w2', 'x', max_builds=1 + N),
    worker.Worker(f'only{{N}}', 'x'), (Kind := type('Kind', (worker.Worker,), {{}}))('kind', 'x')
    if N else worker.Worker('kind', 'x')]
c['protocols'] = {{'pb': {{'port': 'tcp:{pb}:interface=127.0.0.1'}}}}
c['www'] = {{'port': 'ssl:{www}:interface=127.0.0.1:privateKey=key.pem:certKey=cert.pem',
    'logfileName': f'http{{N}}.log', 'cookie_expiration_time': timedelta(days=1 + N)}}
c['schedulers'] = [
    schedulers.AnyBranchScheduler(name='same', builderNames=['same', 'changed']),
    schedulers.AnyBranchScheduler(name='timed', treeStableTimer=60 + N, builderNames=['same']),
    schedulers.ForceScheduler(name=f'only{{N}}', builderNames=[f'only{{N}}']),
    (schedulers.Nightly(name='kind', builderNames=['same'], hour=3) if N else
     schedulers.Periodic(name='kind', builderNames=['same'], periodicBuildTimer=9999))]
c['change_source'] = [
    changes.PBChangeSource(name='shared', user='shared'),
    changes.PBChangeSource(name='tls', user='t',
        port='ssl:{tls}:interface=127.0.0.1:privateKey=key.pem:certKey=cert.pem'),
    changes.PBChangeSource(name='moving', user='m', port='tcp:{source}:interface=127.0.0.1'),
    changes.PBChangeSource(name=f'only{{N}}', user='o', port='tcp:{only}:interface=127.0.0.1')]
c['services'] = [Own(name='same', words='s'), Own(name='own', words=N), Own(name=f'only{{N}}',
    words=1), (Other if N else Own)(name='kind', words=1),
    reporters.MailNotifier(f'ci{{N}}@example.org', name='mail', extraRecipients=['x@example.org'])]
c['secretsProviders'] = [secrets.SecretInAFile(dirname=basedir + f'/secrets{{N}}')]
c['properties'] = {{'n': N}}
"""


class Injected(Exception):
    """What fails by intention."""


class AllOrNothing(TestCase):
    timeout = 600
    maxDiff = None

    async def setUp(self) -> None:  # type: ignore[override]
        self.home = Path(tempfile.mkdtemp(prefix="reload-"))
        (self.home / "lib").mkdir()
        (self.home / "lib/helper_all.py").write_text(HELPER)
        for number in (0, 1):
            (self.home / f"secrets{number}").mkdir(mode=0o700)
        make_certificate(self.home, "zero")
        ports = [free_port() for _ in range(6)]
        both = {"pb": ports[:2], "www": ports[2:4], "source": ports[4:6]}
        both["tls"] = [free_port()] * 2
        # The last one takes, and leaves, what others have.
        both["only"] = [free_port(), both["pb"][0]]
        self.texts = [
            CONFIG.format(n=n, **{name: pair[n] for name, pair in both.items()}) for n in (0, 1)
        ]
        self.configure(0)
        from ci_master.storage.migrate import upgrade

        url = "sqlite:///state.sqlite"
        upgrade(url, str(self.home))
        before = set(sys.modules), list(sys.path)
        self.master = BuildMaster(str(self.home), reactor=SimpleReactor())
        self.addCleanup(self.clean, *before)
        self.master.startService()
        await to_deferred(self.master._started)
        assert self.master.config is not None, "the master did not start"

    async def clean(self, modules: set[str], path: list[str]) -> None:
        await to_deferred(self.master.stopService())
        sys.path[:] = path
        sys.modules.pop("helper_all", None)

    def configure(self, number: int) -> None:
        (self.home / "master.cfg").write_text(self.texts[number])

    async def reload(self) -> bool:
        """Reload; gives whether the new configuration is in force."""
        before = self.master.config
        await to_deferred(self.master.reconfig())
        return self.master.config is not before

    def same(self, now: dict[str, Any], before: dict[str, Any], where: str) -> None:
        for key in before:
            self.assertEqual(now[key], before[key], f"{key}, after {where}")

    async def settled(self) -> None:
        """Let what was only begun come to its end."""
        await deferLater(reactor, 0, lambda: None)

    async def test_a_failure_anywhere_changes_nothing(self) -> None:
        house = self.master.house
        assert house is not None
        await self.settled()
        self.assertTrue(await self.reload() is True)  # nothing differs
        before = state(house)
        tried = 0
        for cls, method in TARGETS:
            for late in (False, True) if method not in GIVERS else (False,):
                for call in range(1, 40):
                    make_certificate(self.home, f"{method}{call}{late}")
                    self.configure(1)
                    with failing(cls, method, call, late) as met:
                        done = await self.reload()
                    where = f"{cls.__name__}.{method}, call {call}, late {late}"
                    self.flushLoggedErrors()
                    if not met or (done and method in TRIED_AGAIN):
                        assert done, where
                        assert state(house) != before
                        self.configure(0)
                        assert await self.reload(), f"the way back, after {where}"
                        await self.settled()
                        before = after_the_way_back(state(house), before)
                        if not met:
                            assert call > 1, f"a reload does not call {where}"
                            break
                    else:
                        assert not done, where
                        await self.settled()
                        self.same(state(house), before, where)
                        tried += 1
                else:
                    raise AssertionError(f"no end: {where}")
        assert tried > 2 * len(TARGETS)
        self.flushLoggedErrors()

    async def test_a_service_of_a_user_that_fails_changes_nothing(self) -> None:
        house = self.master.house
        assert house is not None
        await self.settled()
        for stage in ("reconfig", "start"):
            before = state(house)
            text = (
                self.texts[1] + f"c['services'].append(Own(name='z', words=1, fails='{stage}'))\n"
            )
            (self.home / "master.cfg").write_text(text)
            assert not await self.reload()
            await self.settled()
            self.same(state(house), before, stage)
            self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    async def test_what_runs_is_used_by_the_code_that_it_was_made_by(self) -> None:
        helper = sys.modules["helper_all"]
        self.configure(1)
        with failing(Queue, "configure", 1, False):
            assert not await self.reload()
        self.flushLoggedErrors()
        assert sys.modules["helper_all"] is helper


class SimpleReactor:
    """The reactor, for a master that does not own the process: it must not stop it."""

    running = False

    def __getattr__(self, name: str) -> Any:
        return getattr(the_reactor, name)


@contextmanager
def failing(cls: Any, method: str, call: int, late: bool) -> Iterator[list[int]]:
    """Within the block one call of a method fails; gives a list that is not empty if it came."""
    original = cls.__dict__[method]
    met: list[int] = []
    count = 0

    def replaced(*args: Any, **kwargs: Any) -> Any:
        nonlocal count
        count += 1
        if count != call or met:
            return original(*args, **kwargs)
        met.append(count)
        if not late:
            raise Injected()
        result = original(*args, **kwargs)
        if result is None:
            raise Injected()

        async def fail() -> Any:
            await to_deferred(result)
            raise Injected()

        is_waited_for = isinstance(result, Deferred) or hasattr(result, "__await__")
        if is_waited_for:
            return fail()
        raise Injected()

    setattr(cls, method, replaced)
    try:
        yield met
    finally:
        setattr(cls, method, original)


def state(house: Any) -> dict[str, Any]:
    """All that a configuration decides of what runs."""
    data, config = house.data, house.site.config
    web = house.web
    return {
        "title": config.title,
        "settings": {id(one) for one in (house.site.config, house.env.config, house.facade.config)}
        == {id(house._config)},
        "web config": web.parts.config is house._config,
        "services": {
            kind: {
                name: (
                    type(one).__name__,
                    repr(one.service_args),
                    repr(sorted(one.service_kwargs.items(), key=str)),
                    one.running,
                    getattr(one, "_active", None),
                    one.parent is getattr(house, kind)._parent,
                    getattr(one, "words", None),
                )
                for name, one in getattr(house, kind).running.items()
            }
            for kind in ("schedulers", "services", "change_sources")
        },
        "children": sorted(str(child.name) for child in house._parent if child.name),
        "sockets": {
            str(key): (
                [(str(one.text), type(one.serving.inner).__name__) for one in socket.served_by],
                socket.is_open,
                socket._accepts,
                socket._holds,
            )
            for key, socket in house.listeners._sockets.items()
        },
        "certificate": [
            one.serving.files
            for socket in house.listeners._sockets.values()
            for one in socket.served_by
        ],
        "pb": {name: sorted(port.users) for name, port in house.pb._ports.items() if port.users},
        "logins": {
            name: (where, registration.password, registration.username)
            for name, (where, registration) in house.registry._logins.items()
        },
        "slots": {
            name: (
                id(slot),
                type(slot.config).__name__,
                repr(slot.config.recorded_args),
                slot.config.password,
                slot.max_builds,
                sorted(slot.builders),
                slot.config.running,
            )
            for name, slot in house.registry.slots.items()
        },
        "builders": {
            name: (id(one), len(one.config.factory.steps)) for name, one in house.builders.items()
        },
        "going": sorted(house._former),
        "queue": sorted(house.queue.board.builders),
        "lines": sorted(house.queue.board.lines),
        "secrets": [(id(one), one.running) for one in house.secrets.providers],
        "builder rows": {
            name: (sorted(row.masterids), list(row.tags))
            for name, row in data.builders.by_name.items()
            if row.masterids
        },
        "worker rows": {
            name: list(row.configured_on)
            for name, row in data.workers.by_name.items()
            if row.configured_on
        },
        "project rows": {
            name: row.slug for name, row in data.projects.by_name.items() if row.active
        },
        "owned": {
            kind: sorted(name for name, row in rows.by_name.items() if row.masterid is not None)
            for kind, rows in (("s", data.schedulers), ("c", data.changesources))
        },
        "access log": (
            web.site.access_log.settings if web.site.access_log else None,
            web.site.access_log.closed if web.site.access_log else None,
        ),
        "lifetime": web.site.logins.lifetime,
        "port": (web.address.port, web._listens_on),
        "files": sorted(path.name for path in Path(house.basedir).glob("http*")),
        "path": list(sys.path),
        "module": id(sys.modules["helper_all"]),
    }


def after_the_way_back(now: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """The state after a way there and back, in which little may differ from the one before."""
    # What came back is made anew: objects differ, and what it has made stays.
    for key in now:
        if key not in ("certificate", "slots", "builders", "secrets", "module", "files"):
            assert now[key] == before[key], key
    return now
