"""What users' own schedulers may do."""

import pytest
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.trial.unittest import SynchronousTestCase

from ci_common.faults import ConfigError
from ci_master.builds.properties import Properties
from ci_master.schedulers.base import BaseScheduler, ReconfigurableBaseScheduler
from ci_master.schedulers.basic import AnyBranchScheduler
from ci_master.schedulers.nightly import Nightly
from tests.fakes.schedulers import FakeSite, run


class UsersSchedulersTests(SynchronousTestCase):
    def setUp(self):
        self.fake = FakeSite()

    def test_the_older_form_stores_its_arguments_itself(self):
        class Mine(BaseScheduler):
            def __init__(self, name, builderNames, extra):
                super().__init__(name, builderNames, properties={"a": 1})
                self.extra = extra

            def activate(self):
                return self.startConsumingChanges()

            @inlineCallbacks
            def gotChange(self, change, important):
                yield self.addBuildsetForChanges(
                    reason=self.extra, changeids=[change.number], priority=3
                )

        scheduler = self.fake.start(Mine("mine", ["b1"], "because"))
        self.fake.changes.happen(4)
        [added] = self.fake.buildsets.added
        self.assertEqual((added.reason, added.priority), ("because", 3))
        self.assertEqual(added.properties["a"], (1, "Scheduler"))
        self.assertFalse(scheduler.canReconfigWithSibling(scheduler))

    def test_asking_for_builds_gives_a_deferred(self):
        scheduler = self.fake.start(ReconfigurableBaseScheduler(["b1"], name="s"))
        asked = scheduler.addBuildsetForSourceStampsWithDefaults(
            "why", properties=Properties(k="v"), external_idstring="x"
        )
        self.assertIsInstance(asked, Deferred)
        self.assertEqual(self.successResultOf(asked), (1, {1: 101}))
        [added] = self.fake.buildsets.added
        self.assertEqual(added.external_idstring, "x")
        self.assertEqual(added.properties["k"][0], "v")

    def test_source_stamps_of_other_codebases_are_taken_too(self):
        scheduler = self.fake.start(ReconfigurableBaseScheduler(["b1"], name="s"))
        stamps = [{"codebase": "lib", "branch": "x"}, {"codebase": "", "branch": "y"}]
        self.successResultOf(scheduler.addBuildsetForSourceStampsWithDefaults("why", stamps))
        [added] = self.fake.buildsets.added
        self.assertEqual(
            [(stamp["codebase"], stamp["branch"]) for stamp in added.sourcestamps],
            [("", "y"), ("lib", "x")],
        )

    def test_without_any_builder_left_nothing_is_added(self):
        scheduler = self.fake.start(ReconfigurableBaseScheduler(["gone"], name="s"))
        asked = scheduler.addBuildsetForSourceStamps(sourcestamps=[{"codebase": ""}])
        self.assertEqual(self.successResultOf(asked), (None, {}))
        self.assertEqual(self.fake.buildsets.added, [])

    def test_overrides_of_asking_are_called(self):
        seen = []

        class Mine(AnyBranchScheduler):
            def addBuildsetForChanges(self, **kwargs):
                seen.append(kwargs["changeids"])
                return super().addBuildsetForChanges(**kwargs, external_idstring="mine")

        self.fake.start(Mine("m", builderNames=["b1"], treeStableTimer=5))
        self.fake.changes.happen(1)
        self.fake.changes.happen(2)
        self.fake.clock.advance(5)
        self.assertEqual(seen, [[1, 2]])
        self.assertEqual(self.fake.buildsets.added[0].external_idstring, "mine")

    def test_nightly_may_be_subclassed_with_other_arguments(self):
        class Mine(Nightly):
            def checkConfig(self, builderNames, special=None, **kwargs):
                super().checkConfig(builderNames, **kwargs)

            @inlineCallbacks
            def reconfigService(self, builderNames, special=None, **kwargs):
                yield super().reconfigService(builderNames, **kwargs)
                self.special = special

        scheduler = self.fake.start(Mine("m", ["b1"], special=7, minute="*"))
        self.fake.clock.advance(60)
        self.assertEqual((scheduler.special, len(self.fake.buildsets.added)), (7, 1))

    def test_state_is_remembered_by_name_and_class(self):
        scheduler = self.fake.start(AnyBranchScheduler("s", builderNames=["b1"]))
        self.successResultOf(scheduler.setState("k", [1]))
        self.assertEqual(self.successResultOf(scheduler.getState("k")), [1])
        self.failureResultOf(scheduler.getState("other"), KeyError)
        self.assertIn(("s", "AnyBranchScheduler", "k"), self.fake.state.values)

    def test_deactivating_twice_does_no_harm(self):
        scheduler = self.fake.start(AnyBranchScheduler("s", builderNames=["b1"]))
        run(scheduler.become_inactive())
        run(scheduler.become_inactive())
        self.fake.changes.happen(1)
        self.assertEqual(self.fake.buildsets.added, [])


def test_an_unknown_argument_gets_the_nearest_one():
    with pytest.raises(ConfigError, match="did you mean 'properties'"):
        ReconfigurableBaseScheduler(["b1"], name="s", propertys={})
