"""The bus tells those who asked, in order, and lets nobody hurt the others."""

from twisted.trial.unittest import SynchronousTestCase

from ci_master.events.bus import Bus


class BusTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.bus = Bus()
        self.heard: list[object] = []

    def hear(self, key: object, message: object) -> None:
        self.heard.append((key, message))

    def test_a_listener_hears_what_matches_its_pattern(self) -> None:
        self.bus.subscribe(("builds", None, "new"), self.hear)
        self.bus.publish(("builds", "7", "new"), {"a": 1})
        self.bus.publish(("builds", "7", "finished"), {})
        self.bus.publish(("steps", "7", "new"), {})
        self.assertEqual(self.heard, [(("builds", "7", "new"), {"a": 1})])

    def test_lengths_must_be_equal(self) -> None:
        self.bus.subscribe((None, None), self.hear)
        self.bus.publish(("builds", "7", "new"), {})
        self.assertEqual(self.heard, [])

    def test_an_open_first_segment_matches_any(self) -> None:
        self.bus.subscribe((None, "7"), self.hear)
        self.bus.publish(("builds", "7"), {})
        self.assertEqual(len(self.heard), 1)

    def test_a_stopped_subscription_hears_nothing_even_of_the_event_being_told(self) -> None:
        first = self.bus.subscribe(("a",), lambda key, message: second.stop())
        second = self.bus.subscribe(("a",), self.hear)
        self.bus.publish(("a",), {})
        first.stop()
        first.stop()
        self.assertEqual(self.heard, [])
        self.assertFalse(self.bus.wants(("a",)))

    def test_a_failing_listener_is_logged_and_the_next_one_hears(self) -> None:
        def fail(key: object, message: object) -> None:
            raise ValueError("broken listener")

        self.bus.subscribe(("a",), fail)
        self.bus.subscribe(("a",), self.hear)
        self.bus.publish(("a",), {})
        self.assertEqual(len(self.heard), 1)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_events_are_numbered_for_those_who_hear_all(self) -> None:
        numbers: list[int] = []
        self.bus.subscribe_all(lambda seq, key, message: numbers.append(seq))
        self.bus.publish(("a",), {})
        self.bus.publish(("b", "c"), {})
        self.assertEqual(numbers, [1, 2])

    def test_nobody_wants_what_nobody_asked_for(self) -> None:
        self.assertFalse(self.bus.wants(("builds", "1", "new")))
        self.bus.subscribe(("builds", None, "new"), self.hear)
        self.assertTrue(self.bus.wants(("builds", "1", "new")))
        self.assertFalse(self.bus.wants(("steps", "1", "new")))
