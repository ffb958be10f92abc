"""Schedulers that follow others: triggered by steps, or by the end of buildsets."""

from types import SimpleNamespace

import pytest
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from ci_common.faults import ConfigError, Refused
from ci_common.results import EXCEPTION, FAILURE, SKIPPED, SUCCESS, WARNINGS
from ci_master.builds.properties import Properties
from ci_master.schedulers.basic import SingleBranchScheduler
from ci_master.schedulers.dependent import Dependent
from ci_master.schedulers.triggerable import Triggerable
from ci_master.schedulers.triggering import TriggerBoard
from tests.fakes.schedulers import FakeSite, run


class TriggerTests(SynchronousTestCase):
    def setUp(self):
        self.fake = FakeSite()
        self.triggerable = self.fake.start(Triggerable("t", ["b1", "b2"], properties={"p": "own"}))
        self.other = self.fake.start(SingleBranchScheduler("s", builderNames=["b1"], branch=None))
        self.board = TriggerBoard(lambda: [self.triggerable, self.other])

    def trigger(self, name="t", **kwargs):
        return self.board.trigger(name, **{"waited_for": True, **kwargs})

    def test_a_trigger_gives_ids_and_later_results(self):
        ids, results = self.trigger(
            sourcestamps=[{"codebase": "", "branch": "x", "revision": "r"}],
            properties={"p": ("theirs", "Trigger"), "q": (1, "Trigger")},
            parent_buildid=9,
            parent_relationship="Triggered from",
        )
        self.assertEqual(self.successResultOf(ids), (1, {1: 101, 2: 102}))
        [added] = self.fake.buildsets.added
        self.assertTrue(added.waited_for)
        self.assertEqual((added.parent_buildid, added.parent_relationship), (9, "Triggered from"))
        self.assertEqual(added.properties["p"], ("own", "Scheduler"))
        self.assertEqual(added.properties["q"], (1, "Trigger"))
        self.assertEqual(added.properties["scheduler"], ("t", "Scheduler"))
        self.assertEqual(added.sourcestamps[0]["revision"], "r")
        self.assertEqual(added.reason, "The Triggerable scheduler named 't' triggered this build")
        self.assertNoResult(results)
        self.fake.buildsets.complete(1, FAILURE)
        self.assertEqual(self.successResultOf(results), (FAILURE, {1: 101, 2: 102}))
        self.assertFalse(self.fake.bus.wants(("buildsets", "1", "complete")))

    def test_the_changes_of_the_build_that_triggers_come_along_where_they_are_built(self):
        change = {"codebase": "", "branch": "x", "repository": "r", "project": ""}
        asked = [{"changeid": 4, **change}, {"changeid": 5, **change, "repository": "other"}]
        self.fake.data.builds.running[9] = SimpleNamespace(asked_changes=asked)
        stamp = {"codebase": "", "branch": "x", "revision": "abc", "repository": "r"}
        self.trigger(sourcestamps=[stamp], parent_buildid=9)
        self.trigger(sourcestamps=[{**stamp, "branch": "y"}], parent_buildid=9)
        self.assertEqual([one.changeids for one in self.fake.buildsets.added], [[4], []])

    def test_the_reason_is_a_property_of_the_trigger(self):
        self.trigger(properties={"reason": ("why", "Trigger")})
        self.assertEqual(self.fake.buildsets.added[0].reason, "why")

    def test_a_buildset_that_ends_while_it_is_added_is_not_missed(self):
        add = self.fake.buildsets.add

        async def add_and_end(**kwargs):
            bsid, requests = await add(**kwargs)
            self.fake.buildsets.complete(bsid, WARNINGS)
            return bsid, requests

        self.fake.buildsets.add = add_and_end
        _, results = self.trigger()
        self.assertEqual(self.successResultOf(results)[0], WARNINGS)

    def test_a_failure_reaches_the_step(self):
        self.fake.buildsets.before_add = Deferred()
        ids, results = self.trigger()
        self.fake.buildsets.before_add.errback(ValueError("no"))
        self.failureResultOf(ids, ValueError)
        self.assertEqual(self.successResultOf(results), (EXCEPTION, {}))

    def test_one_that_is_switched_off_is_skipped(self):
        self.fake.schedulers.know("t").enabled = False
        ids, results = self.trigger()
        self.assertEqual(self.successResultOf(ids), (None, {}))
        self.assertEqual(self.successResultOf(results), (SKIPPED, {}))

    def test_waiting_survives_a_reconfiguration(self):
        _, results = self.trigger()
        run(self.triggerable.take_over(Triggerable("t", ["b2"])))
        self.fake.buildsets.complete(1, SUCCESS)
        self.assertEqual(self.successResultOf(results)[0], SUCCESS)

    def test_unknown_names_are_refused_with_the_nearest(self):
        self.triggerable.name = "tests"
        with self.assertRaises(Refused) as caught:
            self.trigger("test")
        self.assertEqual(
            str(caught.exception), "there is no scheduler named 'test'; did you mean 'tests'?"
        )
        with self.assertRaises(Refused):
            self.trigger("s")

    def test_users_triggerables_get_a_properties_object(self):
        seen = []

        class Mine(Triggerable):
            def trigger(self, waited_for, sourcestamps=None, set_props=None, **kw):
                seen.append(set_props)
                return super().trigger(waited_for, sourcestamps, set_props, **kw)

        self.triggerable = self.fake.start(Mine("m", ["b1"]))
        self.trigger("m", properties={"a": (1, "Trigger")})
        self.assertIsInstance(seen[0], Properties)


class DependentTests(SynchronousTestCase):
    def setUp(self):
        self.fake = FakeSite()
        self.upstream = self.fake.start(
            SingleBranchScheduler("up", builderNames=["b1"], branch="main")
        )

    def start(self):
        return self.fake.start(Dependent("down", self.upstream, ["b2"]))

    def downstream(self):
        return [one for one in self.fake.buildsets.added if one.scheduler == "down"]

    def waited(self):
        return self.fake.state.values["down", "Dependent", "upstream_bsids"]

    def test_it_builds_the_same_sources_when_upstream_ended_well(self):
        self.start()
        self.fake.changes.happen(1)
        self.assertEqual(self.waited(), [1])
        self.fake.buildsets.complete(1, WARNINGS)
        [added] = self.downstream()
        self.assertEqual((added.builderids, added.sourcestamps), ([2], [1001]))
        self.assertEqual(added.reason, "downstream")
        self.assertEqual(self.waited(), [])

    def test_it_does_not_build_when_upstream_failed(self):
        self.start()
        self.fake.changes.happen(1)
        self.fake.buildsets.complete(1, FAILURE)
        self.assertEqual((self.downstream(), self.waited()), ([], []))

    def test_it_does_not_build_when_nothing_of_upstream_ran(self):
        self.start()
        self.fake.changes.happen(1)
        self.fake.buildsets.complete(1, SKIPPED)
        self.assertEqual((self.downstream(), self.waited()), ([], []))

    def test_it_does_not_build_when_nothing_of_upstream_ran_during_a_restart(self):
        scheduler = self.start()
        self.fake.changes.happen(1)
        run(scheduler.become_inactive())
        ended = self.fake.buildsets.open[1]
        self.fake.buildsets.complete(1, SKIPPED)
        self.fake.facade.data.answers["buildsets", "1"] = self.fake.buildsets.json(
            ended, complete=True, results=SKIPPED
        )
        self.start()
        self.assertEqual((self.downstream(), self.waited()), ([], []))

    def test_it_goes_on_waiting_after_a_restart(self):
        scheduler = self.start()
        self.fake.changes.happen(1)
        run(scheduler.become_inactive())
        self.start()
        self.fake.buildsets.complete(1, SUCCESS)
        self.assertEqual(len(self.downstream()), 1)

    def test_what_ended_during_a_restart_is_found(self):
        scheduler = self.start()
        self.fake.changes.happen(1)
        run(scheduler.become_inactive())
        ended = self.fake.buildsets.open[1]
        self.fake.buildsets.complete(1, SUCCESS)
        self.fake.facade.data.answers["buildsets", "1"] = self.fake.buildsets.json(
            ended, complete=True, results=SUCCESS
        )
        self.start()
        self.assertEqual([one.sourcestamps for one in self.downstream()], [[1001]])
        self.assertEqual(self.waited(), [])

    def test_its_upstream_must_be_a_scheduler(self):
        with pytest.raises(ConfigError, match="upstream"):
            Dependent("down", "up", ["b2"])
