"""The objects that a master holds, and one command's run."""

from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.spread.pb import CopyableFailure
from twisted.trial.unittest import SynchronousTestCase

from ci_worker.commands.base import STOP_LIMIT_S, Command
from ci_worker.session import forbuilder
from ci_worker.session.bot import Bot, BotOptions
from ci_worker.session.forbuilder import UnknownCommand, WorkerForBuilder
from ci_worker.session.keepalive import Keepalive
from ci_worker.session.run import DoesNotEnd
from tests.unit.worker.tellers import Remote, place


class Slow(Command):
    """Runs until a test lets it end."""

    name = "slow"
    is_brief = False
    made: list["Slow"] = []

    async def run(self) -> None:
        self.may_end: Deferred[None] = Deferred()
        self.made.append(self)
        await self.may_end

    def interrupt(self) -> None:
        self.may_end.callback(None)


class Brief(Slow):
    is_brief = True


class Deaf(Slow):
    """Does not end when it is told to."""

    def interrupt(self) -> None:
        pass


class Breaking(Slow):
    """Cannot be stopped, for a fault of ours."""

    def interrupt(self) -> None:
        raise TypeError("no way to stop")


class Broken(Slow):
    async def run(self) -> None:
        raise ValueError("no way")


class ForBuilderTests(SynchronousTestCase):
    def setUp(self) -> None:
        Slow.made = []
        classes = {"slow": Slow, "brief": Brief, "broken": Broken}
        classes |= {"deaf": Deaf, "breaking": Breaking}
        self.patch(forbuilder, "command_class", classes.__getitem__)
        self.clock = Clock()
        self.worker = WorkerForBuilder("b1", place(Path(self.mktemp()), self.clock))

    def start(self, command_id: str = "1", name: str = "slow") -> Remote:
        remote = Remote()
        self.worker.remote_startCommand(remote, command_id, name, {})
        return remote

    def test_a_command_tells_its_time_and_completes(self) -> None:
        remote = self.start()
        self.clock.advance(5)
        Slow.made[0].may_end.callback(None)
        self.assertEqual(remote.updates(), [[("elapsed", 5.0)]])
        self.assertEqual(remote.calls[-1], ("complete", None))

    def test_an_interrupted_command_tells_no_time(self) -> None:
        remote = self.start()
        self.worker.remote_interruptCommand("1", "enough")
        self.assertEqual(remote.calls, [("complete", None)])

    def test_a_command_that_does_not_end_is_given_up_and_fails(self) -> None:
        remote = self.start(name="deaf")
        self.worker.remote_interruptCommand("1", "enough")
        self.clock.advance(STOP_LIMIT_S - 0.1)
        self.assertEqual(remote.calls, [])
        self.clock.advance(0.1)
        method, failure = remote.calls[-1]
        self.assertEqual(method, "complete")
        self.assertIn("was told to stop and does not end", failure.getErrorMessage())
        Slow.made[0].may_end.callback(None)  # late, and told to nobody
        self.assertEqual(len(remote.calls), 1)
        self.flushLoggedErrors(DoesNotEnd)

    def test_a_command_that_cannot_be_stopped_for_a_fault_fails_at_once(self) -> None:
        remote = self.start(name="breaking")
        self.worker.remote_interruptCommand("1", "enough")
        self.assertEqual(remote.calls[-1][0], "complete")
        self.assertIsNotNone(remote.calls[-1][1])
        self.flushLoggedErrors(TypeError, DoesNotEnd)

    def test_without_a_master_a_command_that_does_not_end_is_left_behind(self) -> None:
        self.start(name="deaf")
        over = self.worker.abandon()
        self.assertNoResult(over)
        self.clock.advance(STOP_LIMIT_S)
        self.successResultOf(over)
        self.flushLoggedErrors(DoesNotEnd)

    def test_interrupting_what_does_not_run_is_no_error(self) -> None:
        self.worker.remote_interruptCommand("9", "enough")

    def test_a_command_that_breaks_completes_with_its_failure(self) -> None:
        remote = self.start(name="broken")
        method, failure = remote.calls[-1]
        self.assertEqual(method, "complete")
        self.assertIsInstance(failure, CopyableFailure)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_a_leftover_command_is_dropped_when_another_starts(self) -> None:
        leftover = self.start("1")
        self.start("2")
        self.assertEqual(leftover.calls, [])
        self.assertTrue(Slow.made[0].interrupted)
        self.assertFalse(Slow.made[1].interrupted)

    def test_two_brief_commands_may_run_at_once(self) -> None:
        self.start("1", "brief")
        self.start("2", "brief")
        self.assertEqual([made.interrupted for made in Slow.made], [False, False])

    def test_an_unknown_command_has_the_name_that_masters_know(self) -> None:
        with self.assertRaises(UnknownCommand) as caught:
            self.start("7", "nonsense")
        text = "(command 7): unrecognized WorkerCommand 'nonsense'"
        self.assertEqual(str(caught.exception), text)
        self.assertEqual(UnknownCommand.__module__, "buildbot_worker.base")

    def test_abandoning_waits_for_the_end_and_tells_nobody(self) -> None:
        remote = self.start()
        self.successResultOf(self.worker.abandon())
        self.assertEqual(remote.calls, [])


class BotTests(SynchronousTestCase):
    def bot(self, **options: Any) -> Bot:
        self.basedir = Path(self.mktemp())
        self.basedir.mkdir()
        self.shutdowns = 0
        return Bot(place(self.basedir), BotOptions(**options), on_shutdown=self.count)

    def count(self) -> None:
        self.shutdowns += 1

    def test_builders_get_their_directories_and_keep_their_objects(self) -> None:
        bot = self.bot()
        first = bot.remote_setBuilderList([("b1", "d1"), ("b2", "d2/x")])
        self.assertEqual(sorted(first), ["b1", "b2"])
        self.assertTrue((self.basedir / "d2" / "x").is_dir())
        second = bot.remote_setBuilderList([("b1", "d1")])
        self.assertIs(second["b1"], first["b1"])
        self.assertTrue((self.basedir / "d2").is_dir())

    def test_leftover_directories_are_removed_only_if_asked_for(self) -> None:
        bot = self.bot(delete_leftover_dirs=True)
        for name in ("old", "info"):
            (self.basedir / name).mkdir()
        bot.remote_setBuilderList([("b1", "d1/deep")])
        self.assertEqual(sorted(p.name for p in self.basedir.iterdir()), ["d1", "info"])

    def test_the_facts_have_the_info_files_and_the_commands(self) -> None:
        bot = self.bot(numcpus=7)
        (self.basedir / "info").mkdir()
        (self.basedir / "info" / "admin").write_text("me")
        facts = bot.remote_getWorkerInfo()
        self.assertEqual((facts["admin"], facts["numcpus"]), ("me", 7))
        self.assertEqual(facts["worker_commands"], bot.remote_getCommands())
        self.assertEqual(facts["version"], bot.remote_getVersion())

    def test_a_shutdown_is_handed_on(self) -> None:
        self.bot().remote_shutdown()
        self.assertEqual(self.shutdowns, 1)


class KeepaliveTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.master = Remote(answers_at_once=False)
        self.dead: list[str] = []
        self.keepalive = Keepalive(self.clock, 10, self.master, self.dead.append)
        self.keepalive.start()

    def test_an_answered_call_is_followed_by_the_next(self) -> None:
        self.clock.advance(10)
        self.master.answers[0].callback(None)
        self.clock.advance(10)
        self.assertEqual((len(self.master.calls), self.dead), (2, []))

    def test_a_dead_master_is_noticed_within_two_intervals(self) -> None:
        self.clock.advance(10)
        self.clock.advance(10)
        self.assertEqual(len(self.dead), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_stopped_one_is_silent(self) -> None:
        self.clock.advance(10)
        self.keepalive.stop()
        self.clock.advance(10)
        self.assertEqual(self.dead, [])
