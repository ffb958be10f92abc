"""When polling change sources poll."""

import pytest
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from ci_common.faults import ConfigError
from ci_master.changes.base import PollingChangeSource, ReconfigurablePollingChangeSource
from tests.fakes.schedulers import START, FakeSite, run


class Source(ReconfigurablePollingChangeSource):
    name = "source"

    def __init__(self, **kwargs):
        self.polls = []
        self.answer = None
        super().__init__(**kwargs)

    def poll(self):
        self.polls.append(int(self.site.clock.seconds()) - START)
        return self.answer


class PollingTests(SynchronousTestCase):
    def setUp(self):
        self.fake = FakeSite()

    def start(self, **kwargs):
        return self.fake.start(Source(**{"pollInterval": 10, **kwargs}))

    def test_it_polls_in_intervals(self):
        source = self.start()
        self.fake.clock.pump([1] * 30)
        self.assertEqual(source.polls, [10, 20, 30])

    def test_it_polls_when_launched_if_so_configured(self):
        source = self.start(pollAtLaunch=True)
        self.fake.clock.pump([1] * 11)
        self.assertEqual(source.polls, [1, 11])

    def test_random_delays_stay_in_their_bounds(self):
        source = self.start(pollRandomDelayMin=2, pollRandomDelayMax=5)
        self.fake.clock.pump([1] * 40)
        gaps = {later - sooner for sooner, later in zip([0, *source.polls], source.polls)}  # noqa: B905
        self.assertTrue(gaps <= {12, 13, 14, 15}, gaps)

    def test_polls_never_overlap(self):
        source = self.start()
        source.answer = Deferred()
        self.fake.clock.pump([1] * 35)
        self.assertEqual(source.polls, [10])
        answer, source.answer = source.answer, None
        answer.callback(None)
        self.fake.clock.advance(0)
        self.assertEqual(source.polls, [10, 35])
        self.fake.clock.pump([1] * 10)
        self.assertEqual(source.polls, [10, 35, 45])

    def test_a_failed_poll_is_logged_and_the_next_one_comes(self):
        source = self.start()
        source.poll = lambda: 1 // 0
        self.fake.clock.pump([1] * 20)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def test_a_poll_may_be_a_generator(self):
        source = self.start()
        done = []

        def poll():
            yield None
            done.append(1)

        source.poll = poll
        self.fake.clock.advance(10)
        self.assertEqual(done, [1])

    def test_a_forced_poll_is_at_once_and_the_next_one_an_interval_later(self):
        source = self.start()
        self.fake.clock.advance(4)
        self.successResultOf(source.force())
        self.fake.clock.pump([1] * 10)
        self.assertEqual(source.polls, [4, 14])

    def test_without_interval_it_polls_only_when_forced(self):
        source = self.start(pollInterval=0)
        self.fake.clock.advance(1000)
        source.force()
        self.fake.clock.advance(1000)
        self.assertEqual(source.polls, [1000])

    def test_stopping_waits_for_the_poll_under_way(self):
        source = self.start(pollAtLaunch=True)
        source.answer = Deferred()
        self.fake.clock.advance(0)
        stopping = source.deactivate()
        self.assertNoResult(stopping)
        source.answer.callback(None)
        self.successResultOf(stopping)

    def test_a_new_interval_counts_from_the_last_poll(self):
        source = self.start()
        self.fake.clock.pump([1] * 13)
        run(source.take_over(Source(pollInterval=5)))
        self.fake.clock.pump([1] * 7)
        self.assertEqual(source.polls, [10, 15, 20])

    def test_the_older_form_may_be_subclassed_too(self):
        class Old(PollingChangeSource):
            def __init__(self):
                super().__init__(name="old", pollInterval=3)
                self.polled = 0

            def poll(self):
                self.polled += 1

        source = self.fake.start(Old())
        self.fake.clock.pump([1] * 9)
        self.assertEqual(source.polled, 3)

    def test_a_category_may_be_a_function_of_the_change(self):
        source = self.start()
        run(source.add_change(author="a", comments="c", category=lambda change: change["author"]))
        self.assertEqual(self.fake.changes.added[0]["category"], "a")


@pytest.mark.parametrize(
    "arguments",
    [
        {"pollInterval": -1},
        {"pollInterval": "10"},
        {"pollRandomDelayMin": 6, "pollRandomDelayMax": 5},
        {"pollInterval": 10, "pollRandomDelayMax": 10},
    ],
)
def test_faults_of_the_configuration_are_named(arguments):
    with pytest.raises(ConfigError, match=list(arguments)[-1]):
        Source(**arguments)
