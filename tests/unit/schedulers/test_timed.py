"""Schedulers that build at points in time."""

import itertools
import os
import time
from datetime import datetime

import pytest
from twisted.trial.unittest import SynchronousTestCase

from ci_common.faults import ConfigError
from ci_common.results import SUCCESS
from ci_master.schedulers.crontab import CronTimes
from ci_master.schedulers.timed import Nightly, NightlyTriggerable, Periodic
from tests.fakes.schedulers import START, FakeSite, a_change, run


@pytest.fixture
def berlin():
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Europe/Berlin"
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


def cron(**fields):
    defaults = {
        "minute": 0,
        "hour": "*",
        "day_of_month": "*",
        "month": "*",
        "day_of_week": "*",
    }
    return CronTimes(**{**defaults, **fields})


# 2023-11-15 is a Wednesday.
CRON_CASES = [
    ({}, "2023-11-15 10:20", "2023-11-15 11:00"),
    ({"minute": [5, 35]}, "2023-11-15 10:20", "2023-11-15 10:35"),
    ({"minute": "*/15"}, "2023-11-15 10:30", "2023-11-15 10:45"),
    ({"hour": 3}, "2023-11-15 10:20", "2023-11-16 03:00"),
    ({"hour": 3, "day_of_week": 0}, "2023-11-15 10:20", "2023-11-20 03:00"),
    ({"hour": 3, "day_of_week": 6}, "2023-11-15 10:20", "2023-11-19 03:00"),
    ({"hour": 3, "day_of_week": [0, 3]}, "2023-11-15 10:20", "2023-11-16 03:00"),
    ({"hour": 3, "day_of_week": "0,3"}, "2023-11-15 10:20", "2023-11-16 03:00"),
    ({"hour": 3, "day_of_week": "mon"}, "2023-11-15 10:20", "2023-11-20 03:00"),
    ({"hour": 3, "day_of_week": "1-5"}, "2023-11-17 10:20", "2023-11-20 03:00"),
    ({"hour": 3, "day_of_month": 1}, "2023-11-15 10:20", "2023-12-01 03:00"),
    ({"hour": 3, "day_of_month": 1, "month": "jan"}, "2023-11-15 10:20", "2024-01-01 03:00"),
    ({"hour": 3, "day_of_month": 30, "day_of_week": 4}, "2023-11-15 10:20", "2023-11-17 03:00"),
    # The clock goes forward on 2024-03-31, at 02:00, and back on 2024-10-27, at 03:00.
    ({"hour": 2, "minute": 30}, "2024-03-30 10:00", "2024-03-31 03:30"),
    ({"hour": 2, "minute": 30}, "2024-10-26 10:00", "2024-10-27 02:30"),
    ({"hour": 4}, "2024-03-30 10:00", "2024-03-31 04:00"),
]


@pytest.mark.parametrize(("fields", "since", "expected"), CRON_CASES)
def test_times_are_those_of_a_crontab_in_local_time(berlin, fields, since, expected):
    at = datetime.fromisoformat(since).timestamp()
    after = cron(**fields).after(at)
    assert datetime.fromtimestamp(after).isoformat(" ", "minutes") == expected


def test_entries_for_certain_hours_happen_once_when_the_clock_goes_back(berlin):
    times = cron(hour=2, minute=30)
    first = times.after(datetime.fromisoformat("2024-10-26 10:00").timestamp())
    assert times.after(first) - first >= 24 * 3600


def test_entries_for_every_hour_keep_their_intervals_when_the_clock_goes_back(berlin):
    times = cron(minute="*/30")
    at = datetime.fromisoformat("2024-10-26 23:00").timestamp()
    moments = [at]
    for _ in range(12):
        moments.append(times.after(moments[-1]))
    gaps = {later - sooner for sooner, later in itertools.pairwise(moments)}
    assert gaps == {1800}


@pytest.mark.parametrize("fields", [{"minute": 61}, {"hour": "x"}, {"day_of_week": "1 2"}])
def test_what_is_no_crontab_entry_is_refused(fields):
    with pytest.raises(ValueError, match="no crontab entry"):
        cron(**fields)


class TimedTestCase(SynchronousTestCase):
    def setUp(self):
        self.fake = FakeSite()

    def added(self):
        return self.fake.buildsets.added

    def built_at(self, seconds, step=10):
        """At which seconds from now builds were asked for."""
        found, clock = [], self.fake.clock
        begin, known = clock.seconds(), len(self.added())
        while clock.seconds() < begin + seconds:
            clock.advance(step)
            if len(self.added()) > known:
                known = len(self.added())
                found.append(clock.seconds() - begin)
        return found

    def state(self, name, cls, key):
        return self.fake.state.values.get((name, cls, key))


class PeriodicTests(TimedTestCase):
    def start(self, **kwargs):
        kwargs = {"builderNames": ["b1"], "periodicBuildTimer": 60, **kwargs}
        return self.fake.start(Periodic("p", **kwargs))

    def test_it_builds_at_once_and_then_in_intervals(self):
        self.start()
        self.fake.clock.advance(0)
        self.assertEqual(len(self.added()), 1)
        self.assertEqual(self.built_at(180), [60, 120, 180])
        self.assertEqual(
            self.added()[0].reason, "The Periodic scheduler named 'p' triggered this build"
        )
        self.assertEqual(self.state("p", "Periodic", "last_build"), START + 180)

    def test_a_restart_keeps_the_interval(self):
        self.fake.state.values["p", "Periodic", "last_build"] = START - 20
        self.start()
        self.assertEqual(self.built_at(100), [40, 100])

    def test_a_time_that_was_missed_is_made_up_for_once(self):
        self.fake.state.values["p", "Periodic", "last_build"] = START - 1000
        self.start()
        self.fake.clock.advance(0)
        self.assertEqual(len(self.added()), 1)
        self.assertEqual(self.built_at(60), [60])

    def test_the_branch_is_that_of_the_source_stamp(self):
        self.start(branch="rel")
        self.fake.clock.advance(0)
        self.assertEqual(self.added()[0].sourcestamps[0]["branch"], "rel")

    def test_only_if_changed_skips_times_without_an_important_change(self):
        self.start(onlyIfChanged=True, fileIsImportant=lambda change: change.files == ["x"])
        self.fake.clock.advance(0)
        self.assertEqual(len(self.added()), 1)  # the first one
        self.assertEqual(self.built_at(120), [])
        self.fake.changes.happen(1, files=["y"])
        self.fake.changes.stored[1] = a_change(1, files=["y"])
        self.assertEqual(self.built_at(60), [])
        self.fake.changes.happen(2, files=["x"])
        self.assertEqual(self.built_at(60), [60])
        self.assertEqual(self.added()[1].sourcestamps, [1002])
        self.assertEqual(self.fake.scheduler_changes.kept[1], {})
        self.assertEqual(self.built_at(120), [])

    def test_switching_only_if_changed_on_builds_once_more(self):
        scheduler = self.start()
        self.fake.clock.advance(0)
        sibling = Periodic("p", builderNames=["b1"], periodicBuildTimer=60, onlyIfChanged=True)
        run(scheduler.take_over(sibling))
        self.assertEqual(self.built_at(180), [60])

    def test_only_changes_of_the_branch_count(self):
        self.start(onlyIfChanged=True, branch="rel")
        self.fake.clock.advance(0)
        self.fake.changes.happen(1)
        self.assertEqual(self.built_at(60), [])
        self.fake.changes.happen(2, branch="rel")
        self.assertEqual(self.built_at(60), [60])

    def test_a_failing_build_is_logged_and_the_next_time_comes(self):
        self.start(priority=lambda names, changes: 1 // 0)
        self.fake.clock.advance(0)
        self.fake.clock.advance(60)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def test_one_that_is_switched_off_has_no_timer(self):
        scheduler = self.start()
        self.fake.schedulers.know("p").enabled = False
        run(scheduler.follow_enabled())
        self.assertEqual(self.fake.clock.getDelayedCalls(), [])
        self.fake.schedulers.know("p").enabled = True
        run(scheduler.follow_enabled())
        self.fake.clock.advance(0)
        self.assertEqual(len(self.added()), 1)


class NightlyTests(TimedTestCase):
    def start(self, cls=Nightly, **kwargs):
        return self.fake.start(cls("n", builderNames=["b1"], **kwargs))

    def test_it_builds_at_its_times(self):
        self.start(minute=[0, 30])
        gap = -START % 1800  # START is no whole half hour
        times = self.built_at(7200, step=gap % 100 or 100)
        self.assertEqual(len(times), 4)
        self.assertEqual(
            self.added()[0].reason, "The Nightly scheduler named 'n' triggered this build"
        )

    def test_forced_times_are_not_skipped(self):
        self.start(minute="*/10", onlyIfChanged=True, force_at_minute=30)
        self.fake.clock.advance(600)
        self.assertEqual(len(self.added()), 1)  # the first one
        self.fake.clock.pump([60] * 120)
        self.assertEqual(len(self.added()), 1 + 2)

    def test_a_trigger_is_built_at_the_next_time_only(self):
        scheduler = self.start(NightlyTriggerable, minute="*/10")
        self.fake.clock.pump([60] * 20)
        self.assertEqual(self.added(), [])
        stamp = {"codebase": "", "branch": "x", "patch": {"body": b"\xff", "level": 1}}
        ids, results = scheduler.trigger(
            True, [stamp], set_props={"k": ("v", "Trigger")}, parent_buildid=3
        )
        self.assertEqual(self.successResultOf(ids), (None, {}))
        self.assertEqual(self.successResultOf(results), (SUCCESS, {}))
        run(scheduler.become_inactive())
        self.start(NightlyTriggerable, minute="*/10")  # after a restart
        self.fake.clock.pump([60] * 20)
        [added] = self.added()
        self.assertEqual(added.properties["k"], ("v", "Trigger"))
        self.assertEqual(added.sourcestamps[0]["branch"], "x")
        self.assertEqual(added.sourcestamps[0]["patch"]["body"], b"\xff")
        self.assertEqual(
            added.reason, "The NightlyTriggerable scheduler named 'n' triggered this build"
        )
        self.assertIsNone(self.state("n", "NightlyTriggerable", "lastTrigger"))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Periodic("p", ["b"], periodicBuildTimer=0), "periodicBuildTimer"),
        (lambda: Periodic("p", "b", periodicBuildTimer=5), "builderNames"),
        (lambda: Nightly("n", ["b"], minute=77), "77 * * * *"),
        (lambda: Nightly("n", ["b"], hours=7), "'hours'"),
        (lambda: Nightly("n", ["b"], force_at_hour="x"), "0 x * * *"),
        (lambda: Nightly("n", ["b"], branch=7), "'branch'"),
        (lambda: Nightly("n", ["b"], change_filter=7), "ChangeFilter"),
    ],
)
def test_faults_of_the_configuration_are_named(make, text):
    with pytest.raises(ConfigError) as caught:
        make()
    assert text in str(caught.value)
