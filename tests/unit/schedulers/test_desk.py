"""Handing changes to schedulers, and knowing how far that went."""

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from ci_master.data.filters import ChangeFilter
from ci_master.schedulers.basic import AnyBranchScheduler, SingleBranchScheduler
from ci_master.schedulers.desk import catch_up
from tests.fakes.schedulers import FakeSite, a_change, run


class ChangeDeskTests(SynchronousTestCase):
    def setUp(self):
        self.fake = FakeSite()

    def mark(self):
        return self.fake.state.values.get(("schedulers", "ChangeDesk", "last_change"))

    def built(self):
        return [(added.scheduler, added.sourcestamps) for added in self.fake.buildsets.added]

    def test_each_change_goes_to_the_schedulers_of_its_branch_and_of_all(self):
        for name, filter in (
            ("main", ChangeFilter(branch=["main", "rel"])),
            ("dev", ChangeFilter(branch="dev")),
            ("default", ChangeFilter(branch=None)),
            ("re", ChangeFilter(branch_re="m")),
        ):
            self.fake.start(SingleBranchScheduler(name, builderNames=["b1"], change_filter=filter))
        self.fake.start(AnyBranchScheduler("any", builderNames=["b1"]))
        self.fake.changes.happen(1)
        self.fake.changes.happen(2, branch=None)
        self.assertEqual(
            self.built(),
            [
                ("main", [1001]),
                ("re", [1001]),
                ("any", [1001]),
                ("default", [1002]),
                ("any", [1002]),
            ],
        )

    def test_the_mark_follows_what_is_done(self):
        self.fake.start(AnyBranchScheduler("any", builderNames=["b1"]))
        first = self.fake.buildsets.before_add = Deferred()
        self.fake.changes.happen(5)
        self.assertEqual(self.mark(), 4)
        self.fake.buildsets.before_add = None
        self.fake.changes.happen(6)
        self.assertEqual(self.mark(), 4)
        first.callback(None)
        self.assertEqual(self.mark(), 6)

    def test_changes_after_the_mark_are_handed_out_at_the_start(self):
        self.fake.state.values["schedulers", "ChangeDesk", "last_change"] = 3
        for number in (3, 4, 5):
            self.fake.changes.stored[number] = a_change(number)
        self.fake.start(AnyBranchScheduler("any", builderNames=["b1"]))
        self.fake.changes.happen(5)
        self.assertEqual(self.mark(), 3)
        run(catch_up(self.fake.site))
        run(catch_up(self.fake.site))
        self.assertEqual(self.built(), [("any", [1005]), ("any", [1004])])
        self.assertEqual(self.mark(), 5)

    def test_the_first_start_of_all_hands_out_nothing(self):
        self.fake.changes.stored[1] = a_change(1)
        self.fake.start(AnyBranchScheduler("any", builderNames=["b1"]))
        run(catch_up(self.fake.site))
        self.assertEqual(self.built(), [])
