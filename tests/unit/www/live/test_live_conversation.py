"""Live events: topics, the hub, and what is said over a WebSocket."""

import json
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ci_master.events.bus import Bus
from ci_www.live import hub as hubs
from ci_www.live.conversation import BadFrame, Conversation
from ci_www.live.outbox import MOST_BYTES
from ci_www.live.topics import BadTopic, matches, parse


@pytest.mark.parametrize("text", ["", "a//b", "/", 5, None, "x" * 301, "a/" * 20 + "a"])
def test_what_is_no_topic_is_refused(text: object) -> None:
    with pytest.raises(BadTopic):
        parse(text)


def test_a_star_is_any_one_segment() -> None:
    key = ("builds", "7", "new")
    assert matches(parse("builds/*/new"), key)
    assert matches(parse("*/*/*"), key)
    assert not matches(parse("builds/*"), key)
    assert not matches(parse("builds/8/*"), key)


class LiveCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.bus = Bus()
        self.clock = Clock()
        self.hub = hubs.Hub(self.bus, self.clock)
        self.hub.start()

    def connect(self) -> tuple[Conversation, list[Any]]:
        heard: list[Any] = []
        talk = Conversation(
            self.hub, lambda text: heard.append(json.loads(text)), lambda: heard.append("dropped")
        )
        return talk, heard

    def publish(self, *numbers: int) -> None:
        for number in numbers:
            self.bus.publish(("builds", str(number), "new"), {"buildid": number})


class PageTests(LiveCase):
    def page(self, after: int | None, *topics: str) -> tuple[Conversation, list[Any]]:
        talk, heard = self.connect()
        talk.heard(json.dumps({"sub": list(topics), "after": after}))
        return talk, heard

    def test_a_page_of_an_earlier_run_has_to_look_for_itself(self) -> None:
        self.bus = Bus(5_000_000)
        self.hub = hubs.Hub(self.bus, self.clock)
        self.hub.start()
        self.connect()  # somebody listens
        self.publish(*range(10))
        for number in (7, 4_999_998):
            _, heard = self.page(number, "builds/*/new")
            self.assertEqual(heard, [{"resync": True, "seq": 5_000_010}])

    def test_events_carry_their_number(self) -> None:
        _, heard = self.page(None, "builds/*/new")
        self.publish(4)
        self.assertEqual(heard, [{"seq": 1, "k": "builds/4/new", "m": {"buildid": 4}}])

    def test_who_comes_back_hears_what_was_missed_and_only_that(self) -> None:
        self.page(None, "zz")
        self.publish(1, 2, 3)
        self.bus.publish(("workers", "1", "connected"), {})
        _, heard = self.page(1, "builds/*/new")
        self.assertEqual([one["seq"] for one in heard], [2, 3])

    def test_what_happened_while_nobody_listened_must_be_looked_up(self) -> None:
        self.publish(1)
        _, heard = self.page(1, "builds/*/new")
        self.assertEqual(heard, [{"resync": True, "seq": 1}])

    def test_what_is_not_kept_any_more_must_be_looked_up(self) -> None:
        self.patch(hubs, "KEPT", 3)
        self.hub = hubs.Hub(self.bus, self.clock)
        self.hub.start()
        self.page(None, "zz")
        self.publish(*range(10))
        self.assertEqual(self.page(5, "builds/*/new")[1], [{"resync": True, "seq": 10}])
        self.assertEqual(len(self.page(7, "builds/*/new")[1]), 3)
        self.assertEqual(self.page(99, "builds/*/new")[1], [{"resync": True, "seq": 10}])

    def test_a_new_list_of_topics_replaces_the_old_one(self) -> None:
        talk, heard = self.page(None, "builds/*/new")
        talk.heard('{"sub": ["workers/*/*"]}')
        self.publish(1)
        self.assertEqual(heard, [])

    def test_a_slow_page_is_told_to_look_for_itself(self) -> None:
        talk, heard = self.page(None, "builds/*/new")
        talk.outbox.pauseProducing()
        big = {"text": "x" * (MOST_BYTES // 4)}
        for number in range(9):
            self.bus.publish(("builds", str(number), "new"), big)
        self.assertEqual(heard, [])
        talk.outbox.resumeProducing()
        self.assertEqual(len(heard), 1)
        self.assertTrue(heard[0]["resync"])
        self.publish(77)
        self.assertEqual(heard[1]["k"], "builds/77/new")

    def test_after_a_while_without_clients_nothing_is_heard_or_kept(self) -> None:
        talk, _ = self.page(None, "builds/*/new")
        talk.ended()
        talk.ended()
        self.assertTrue(self.bus.wants(("x",)))
        self.clock.advance(hubs.LINGER_S)
        self.assertFalse(self.bus.wants(("x",)))

    def test_who_comes_back_in_time_keeps_the_hub_awake(self) -> None:
        talk, _ = self.page(None, "builds/*/new")
        talk.ended()
        self.clock.advance(hubs.LINGER_S - 1)
        self.page(None, "builds/*/new")
        self.clock.advance(hubs.LINGER_S)
        self.assertTrue(self.bus.wants(("x",)))
        self.hub.stop()
        self.assertFalse(self.bus.wants(("x",)))
        self.assertEqual(self.clock.getDelayedCalls(), [])


class CommandTests(LiveCase):
    def setUp(self) -> None:
        super().setUp()
        self.talk, self.heard = self.connect()

    def say(self, **frame: Any) -> Any:
        self.talk.heard(json.dumps(frame))
        return self.heard.pop()

    def test_commands_are_answered_with_their_number(self) -> None:
        self.assertEqual(self.say(cmd="ping", _id=1), {"msg": "pong", "code": 200, "_id": 1})
        started = self.say(cmd="startConsuming", path="builds/*/*", _id=2)
        self.assertEqual(started, {"msg": "OK", "code": 200, "_id": 2})
        self.publish(5)
        self.assertEqual(self.heard.pop(), {"k": "builds/5/new", "m": {"buildid": 5}})
        self.assertEqual(self.say(cmd="stopConsuming", path="builds/*/*", _id=3)["msg"], "OK")
        self.publish(6)
        self.assertEqual(self.heard, [])

    def test_overlapping_subscriptions_deliver_duplicates(self) -> None:
        self.say(cmd="startConsuming", path="builds/*/*", _id=1)
        self.say(cmd="startConsuming", path="builds/*/new", _id=2)
        self.say(cmd="startConsuming", path="builds/*/new", _id=3)
        self.publish(5)
        self.assertEqual(len(self.heard), 2)

    def test_what_is_wrong_is_said(self) -> None:
        cases: list[tuple[dict[str, Any], int, str]] = [
            ({"cmd": "nope", "_id": 1}, 404, "no such command type 'nope'"),
            (
                {"cmd": "stopConsuming", "path": "zz/zz", "_id": 1},
                400,
                "path was not consumed 'zz/zz'",
            ),
            ({"cmd": "startConsuming", "pth": "x", "_id": 1}, 400, "Invalid method argument 'pth'"),
            ({"cmd": "startConsuming", "path": 5, "_id": 1}, 400, "invalid path format '5'"),
            ({"_id": 1}, 400, "no 'cmd' in websocket frame"),
            ({"cmd": "ping"}, 400, "no '_id' or 'type' in websocket frame"),
        ]
        for frame, code, text in cases:
            answer = self.say(**frame)
            self.assertEqual((answer["code"], answer["error"]), (code, text))
        self.assertRaises(BadFrame, self.talk.heard, "garbage")

    def test_an_id_that_is_no_json_is_refused(self) -> None:
        for number in ("NaN", "Infinity", "-1e999", '[{"a": NaN}]'):
            self.talk.heard(f'{{"cmd": "ping", "_id": {number}}}')
            answer = self.heard.pop()
            self.assertEqual((answer["code"], answer["_id"]), (400, None))
            self.assertIn("'_id'", answer["error"])

    def test_control_messages_are_not_told(self) -> None:
        for path in ("control/builds/*/stop", "/control/*", "control"):
            answer = self.say(cmd="startConsuming", path=path, _id=1)
            self.assertEqual((answer["code"], answer["_id"]), (403, 1))
        for path in ("*/*/*", "*/*/*/*"):
            self.assertEqual(self.say(cmd="startConsuming", path=path, _id=2)["msg"], "OK")
        self.bus.publish(("control", "builds", "stop"), {"reason": "secret"})
        self.bus.publish(("control", "builds", "1", "stop"), {"reason": "secret"})
        self.assertEqual(self.heard, [])
        self.talk.heard(json.dumps({"sub": ["control/builds/*"]}))
        self.assertEqual(self.heard.pop()["code"], 403)

    def test_what_is_null_is_missing(self) -> None:
        self.assertEqual(self.say(cmd="ping", _id=None)["code"], 400)
        self.assertEqual(self.say(cmd=None, _id=1)["error"], "no 'cmd' in websocket frame")

    def test_a_slow_program_is_cut_off(self) -> None:
        self.say(cmd="startConsuming", path="builds/*/new", _id=1)
        self.talk.outbox.pauseProducing()
        for number in range(5):
            self.bus.publish(("builds", str(number), "new"), {"text": "x" * (MOST_BYTES // 4)})
        self.assertEqual(self.heard, ["dropped"])
        self.assertEqual(self.hub.clients, 0)

    def test_stopping_the_server_closes_everyone(self) -> None:
        self.hub.stop()
        self.assertEqual(self.heard, ["dropped"])
