"""Schedulers that build changes."""

import pytest
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.trial.unittest import SynchronousTestCase

from ci_common.faults import ConfigError
from ci_master.builds.properties import Interpolate, renderer
from ci_master.data.filters import ChangeFilter
from ci_master.schedulers.basic import AnyBranchScheduler, SingleBranchScheduler
from tests.fakes.schedulers import FakeSite, a_change, run


class AtOnceTests(SynchronousTestCase):
    """Without treeStableTimer."""

    def setUp(self):
        self.fake = FakeSite()

    def start(self, **kwargs):
        kwargs = {"builderNames": ["b1"], "branch": "main", **kwargs}
        return self.fake.start(SingleBranchScheduler("s", **kwargs))

    def added(self):
        return self.fake.buildsets.added

    def test_a_change_is_built_in_the_same_turn(self):
        self.start()
        self.fake.changes.happen(7)
        [added] = self.added()
        self.assertEqual(added.builderids, [1])
        self.assertEqual(added.sourcestamps, [1007])
        self.assertEqual(added.scheduler, "s")
        self.assertEqual(
            added.reason, "The SingleBranchScheduler scheduler named 's' triggered this build"
        )
        self.assertEqual(self.fake.changes.reads, 0)
        self.assertEqual(self.fake.clock.getDelayedCalls(), [])

    def test_changes_of_other_branches_are_left_out(self):
        self.start()
        self.fake.changes.happen(branch="dev")
        self.assertEqual(self.added(), [])

    def test_unimportant_changes_are_left_out(self):
        self.start(fileIsImportant=lambda change: change.files == ["x"])
        self.fake.changes.happen(1, files=["a"])
        self.fake.changes.happen(2, files=["x"])
        self.assertEqual([added.sourcestamps for added in self.added()], [[1002]])

    def test_changes_of_unknown_codebases_are_left_out_and_that_is_explained(self):
        scheduler = self.start()
        change = self.fake.changes.happen(codebase="lib")
        self.assertEqual(self.added(), [])
        self.assertEqual(
            scheduler.explain(change),
            "Scheduler 's' ignores change 1: its codebase 'lib' is none of the scheduler's ('').",
        )

    def test_a_failing_filter_is_logged_with_names_and_later_changes_are_taken(self):
        def broken(change):
            if change.number == 1:
                raise RuntimeError("broken")
            return True

        self.fake.start(
            SingleBranchScheduler(
                "f", builderNames=["b1"], change_filter=ChangeFilter(filter_fn=broken)
            )
        )
        self.fake.changes.happen(1)
        self.fake.changes.happen(2)
        self.assertEqual([added.sourcestamps for added in self.added()], [[1002]])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_a_failing_priority_does_not_hurt_other_schedulers(self):
        self.start(priority=lambda names, changes: 1 // 0)
        self.fake.start(AnyBranchScheduler("t", builderNames=["b2"]))
        self.fake.changes.happen(1)
        self.assertEqual([added.scheduler for added in self.added()], ["t"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_a_priority_function_gets_names_and_changes(self):
        seen = []
        self.start(priority=lambda names, changes: seen.append((names, changes)) or 5)
        self.fake.changes.happen(3)
        [(names, changes)] = seen
        self.assertEqual(names, ["b1"])
        self.assertEqual([change["changeid"] for change in changes[""]], [3])
        self.assertEqual(self.added()[0].priority, 5)

    def test_properties_of_the_change_come_along_but_override_nothing(self):
        self.start(properties={"a": "mine", "from": Interpolate("<%(prop:b)s>")})
        self.fake.changes.happen(properties={"a": ["theirs", "Change"], "b": ["x", "Change"]})
        self.assertEqual(
            self.added()[0].properties,
            {
                "a": ("mine", "Scheduler"),
                "b": ("x", "Change"),
                "from": ("<x>", "Scheduler"),
                "scheduler": ("s", "Scheduler"),
            },
        )

    def test_builder_names_may_depend_on_the_files(self):
        @renderer
        def names(props):
            return ["b2"] if "doc" in props.files else ["b1", "nosuch"]

        self.start(builderNames=names)
        self.fake.changes.happen(1, files=["doc"])
        self.fake.changes.happen(2)
        self.assertEqual([added.builderids for added in self.added()], [[2], [1]])

    def test_each_codebase_has_a_source_stamp(self):
        self.start(codebases={"app": {}, "lib": {"repository": "git://lib", "branch": "rel"}})
        self.fake.changes.happen(codebase="app")
        stamps = self.added()[0].sourcestamps
        self.assertEqual(stamps[0], 1001)
        self.assertEqual(
            stamps[1],
            {
                "codebase": "lib",
                "repository": "git://lib",
                "branch": "rel",
                "revision": None,
                "project": "",
            },
        )

    def test_absolute_source_stamps_remember_the_last_change_of_each_codebase(self):
        scheduler = self.start(codebases=["app", "lib"], createAbsoluteSourceStamps=True)
        self.fake.changes.happen(1, codebase="lib", revision="abc")
        self.fake.changes.happen(2, codebase="app")
        self.assertEqual(self.added()[1].sourcestamps[1]["revision"], "abc")
        run(scheduler.become_inactive())
        again = SingleBranchScheduler(
            "s",
            builderNames=["b1"],
            branch="main",
            codebases=["app", "lib"],
            createAbsoluteSourceStamps=True,
        )
        self.fake.start(again)
        self.fake.changes.happen(3, codebase="app")
        self.assertEqual(self.added()[2].sourcestamps[1]["revision"], "abc")

    def test_a_scheduler_that_is_switched_off_ignores_changes(self):
        scheduler = self.start()
        self.fake.schedulers.know("s").enabled = False
        run(scheduler.follow_enabled())
        change = self.fake.changes.happen(1)
        self.assertEqual(
            scheduler.explain(change),
            "Scheduler 's' ignores change 1: the scheduler is switched off.",
        )
        self.fake.schedulers.know("s").enabled = True
        run(scheduler.follow_enabled())
        self.fake.changes.happen(2)
        self.assertEqual([added.sourcestamps for added in self.added()], [[1002]])

    def test_deactivating_waits_for_what_is_under_way(self):
        scheduler = self.start()
        self.fake.buildsets.before_add = Deferred()
        self.fake.changes.happen(1)
        over = ensureDeferred(scheduler.become_inactive())
        self.assertNoResult(over)
        self.fake.buildsets.before_add.callback(None)
        self.successResultOf(over)

    def test_a_users_gotchange_may_be_a_generator_and_runs_one_at_a_time(self):
        waits = [Deferred(), Deferred()]
        log = []

        class Mine(SingleBranchScheduler):
            def gotChange(self, change, important):
                log.append(("begin", change.number))
                yield waits[change.number - 1]
                log.append(("end", change.number))

        self.fake.start(Mine("m", builderNames=["b1"], branch="main"))
        self.fake.changes.happen(1)
        self.fake.changes.happen(2)
        self.assertEqual(log, [("begin", 1)])
        waits[0].callback(None)
        self.assertEqual(log, [("begin", 1), ("end", 1), ("begin", 2)])
        waits[1].callback(None)


class StableTimerTests(SynchronousTestCase):
    """With treeStableTimer."""

    def setUp(self):
        self.fake = FakeSite()

    def start(self, cls=SingleBranchScheduler, **kwargs):
        kwargs = {"builderNames": ["b1"], "treeStableTimer": 10, **kwargs}
        if cls is SingleBranchScheduler:
            kwargs.setdefault("branch", "main")
        return self.fake.start(cls("s", **kwargs))

    def stamps(self):
        return [added.sourcestamps for added in self.fake.buildsets.added]

    def kept(self):
        return self.fake.scheduler_changes.kept.get(1, {})

    def test_each_change_restarts_the_timer_and_the_last_one_is_built(self):
        self.start()
        self.fake.changes.happen(1)
        self.fake.clock.advance(9)
        self.fake.changes.happen(2)
        self.fake.clock.advance(9)
        self.assertEqual(self.stamps(), [])
        self.assertEqual(self.kept(), {1: True, 2: True})
        self.fake.clock.advance(1)
        self.assertEqual(self.stamps(), [[1002]])
        self.assertEqual(self.kept(), {})
        self.assertEqual(self.fake.changes.reads, 0)

    def test_an_unimportant_change_restarts_only_a_running_timer(self):
        self.start(fileIsImportant=lambda change: change.files == ["x"])
        self.fake.changes.happen(1, files=["y"])
        self.assertEqual(self.fake.clock.getDelayedCalls(), [])
        self.fake.changes.happen(2, files=["x"])
        self.fake.clock.advance(6)
        self.fake.changes.happen(3, files=["y"])
        self.fake.clock.advance(6)
        self.assertEqual(self.stamps(), [])
        self.fake.clock.advance(4)
        self.assertEqual(self.stamps(), [[1003]])
        self.assertEqual(self.kept(), {})

    def test_only_important_changes_are_kept_if_so_configured(self):
        self.start(fileIsImportant=lambda change: False, onlyImportant=True)
        self.fake.changes.happen(1)
        self.assertEqual(self.kept(), {})

    def test_recorded_changes_restart_the_timer_at_the_start(self):
        self.fake.schedulers.know("s")
        self.fake.changes.stored[5] = a_change(5)
        self.fake.scheduler_changes.kept[1] = {5: True}
        self.start()
        self.fake.clock.advance(10)
        self.assertEqual(self.stamps(), [[1005]])

    def test_recorded_unimportant_changes_wait_for_an_important_one(self):
        self.fake.schedulers.know("s")
        self.fake.changes.stored[5] = a_change(5)
        self.fake.scheduler_changes.kept[1] = {5: False}
        self.start()
        self.assertEqual(self.fake.clock.getDelayedCalls(), [])
        self.fake.changes.happen(6)
        self.fake.clock.advance(10)
        self.assertEqual(self.stamps(), [[1006]])
        self.assertEqual(self.kept(), {})

    def test_what_a_timer_left_over_is_dropped_when_there_is_no_timer_any_more(self):
        self.fake.schedulers.know("s")
        self.fake.scheduler_changes.kept[1] = {5: True}
        self.start(treeStableTimer=None)
        self.assertEqual(self.kept(), {})

    def test_reconfiguring_keeps_recorded_changes(self):
        scheduler = self.start()
        self.fake.changes.happen(1)
        sibling = SingleBranchScheduler("s", builderNames=["b2"], branch="main", treeStableTimer=20)
        run(scheduler.take_over(sibling))
        self.fake.clock.advance(20)
        [added] = self.fake.buildsets.added
        self.assertEqual((added.builderids, added.sourcestamps), ([2], [1001]))

    def test_anybranch_has_a_timer_per_branch(self):
        self.start(AnyBranchScheduler)
        self.fake.changes.happen(1, branch="a")
        self.fake.clock.advance(5)
        self.fake.changes.happen(2, branch="b")
        self.fake.clock.advance(5)
        self.assertEqual(self.stamps(), [[1001]])
        self.fake.clock.advance(5)
        self.assertEqual(self.stamps(), [[1001], [1002]])

    def test_what_becomes_of_a_change_is_explained(self):
        scheduler = self.start(fileIsImportant=lambda change: change.files == ["x"])
        self.assertEqual(
            scheduler.explain(a_change(files=["x"])),
            "Scheduler 's' builds change 1 once the tree has been quiet for 10 s.",
        )
        self.assertIn("unimportant", scheduler.explain(a_change()))
        self.assertEqual(
            scheduler.explain(a_change(branch="dev")),
            "Scheduler 's' ignores change 1: its branch 'dev' is not 'main'.",
        )


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"builderNames": "b1", "branch": "m"}, "builderNames=['b1']"),
        ({"builderNames": [1], "branch": "m"}, "builders are named by strings"),
        ({"builderNames": ["b1"]}, "neither 'branch' nor 'change_filter'"),
        ({"builderNames": ["b1"], "branch": "m", "change_filter": ChangeFilter()}, "together"),
        ({"builderNames": ["b1"], "change_filter": "m"}, "must be a ChangeFilter"),
        ({"builderNames": ["b1"], "branch": "m", "treeStableTimer": "5"}, "treeStableTimer"),
        ({"builderNames": ["b1"], "branch": "m", "fileIsImportant": 5}, "fileIsImportant"),
        ({"builderNames": ["b1"], "branch": "m", "codebases": "x"}, "codebases"),
        ({"builderNames": ["b1"], "branch": "m", "codebases": {"x": {"branhc": 1}}}, "'branch'"),
        ({"builderNames": ["b1"], "branch": "m", "priority": "1"}, "priority"),
        ({"builderNames": ["b1"], "branch": "m", "properties": []}, "properties"),
        ({"builderNames": ["b1"], "branch": "m", "reason": "%(nmae)s"}, "reason"),
        ({"builderNames": ["b1"], "branch": "m", "prioriti": 1}, "did you mean 'priority'"),
    ],
)
def test_faults_of_the_configuration_are_named(arguments, text):
    with pytest.raises(ConfigError) as caught:
        SingleBranchScheduler("s", **arguments)
    assert text in str(caught.value)
