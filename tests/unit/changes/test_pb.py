"""Changes sent over PB."""

import pytest
from twisted.internet.defer import ensureDeferred
from twisted.trial.unittest import SynchronousTestCase

from ci_common.faults import ConfigError
from ci_master.changes.pb import PBChangeSource
from tests.fakes.schedulers import FakeSite, run

SENT = {
    "project": "p",
    "repository": None,
    "who": "me <m@e>",
    "files": [b"src/a.c", "doc/b"],
    "comments": "caf\xe9".encode(),
    "branch": "main",
    "revision": "abc",
    "category": None,
    "when": 12.75,
    "properties": {"k": "v"},
    "revlink": None,
    "src": "git",
    "links": [],
}


class PBChangeSourceTests(SynchronousTestCase):
    def setUp(self):
        self.fake = FakeSite()

    def send(self, source, **more):
        [(_, factory)] = self.fake.pb.users.values()
        perspective = factory(None, "change")
        return self.successResultOf(perspective.perspective_addChange({**SENT, **more}))

    def test_it_listens_on_the_port_of_the_workers(self):
        self.fake.start(PBChangeSource())
        self.assertEqual(list(self.fake.pb.users), [("9989", "change")])

    def test_an_own_port_and_user_may_be_given(self):
        self.fake.start(PBChangeSource(user="u", passwd="p", port="tcp:1234"))
        [(key, (password, _))] = self.fake.pb.users.items()
        self.assertEqual((key, password), (("tcp:1234", "u"), "p"))

    def test_a_change_is_stored_before_the_client_is_answered(self):
        self.assertIsNone(self.send(self.fake.start(PBChangeSource())))
        self.assertEqual(
            self.fake.changes.added,
            [
                {
                    "author": "me <m@e>",
                    "branch": "main",
                    "comments": "caf\xe9",
                    "files": ["src/a.c", "doc/b"],
                    "project": "p",
                    "properties": {"k": "v"},
                    "repository": "",
                    "revision": "abc",
                    "revlink": "",
                    "src": "git",
                    "when_timestamp": 12,
                }
            ],
        )

    def test_files_outside_of_the_prefix_are_left_out(self):
        self.send(self.fake.start(PBChangeSource(prefix="src/")))
        self.assertEqual(self.fake.changes.added[0]["files"], ["a.c"])

    def test_newer_names_of_fields_go_before_older_ones(self):
        self.send(self.fake.start(PBChangeSource()), author="you", when_timestamp=5, codebase="c")
        [change] = self.fake.changes.added
        self.assertEqual((change["author"], change["when_timestamp"]), ("you", 5))
        self.assertEqual(change["codebase"], "c")

    def test_a_new_configuration_is_taken_over_while_it_runs(self):
        source = self.fake.start(PBChangeSource())
        run(source.take_over(PBChangeSource(user="change", port=7)))
        self.assertEqual(list(self.fake.pb.users), [("7", "change")])

    def test_it_stops_listening(self):
        source = self.fake.start(PBChangeSource())
        self.successResultOf(ensureDeferred(source.become_inactive()))
        self.assertEqual(self.fake.pb.users, {})


@pytest.mark.parametrize("arguments", [{"user": 3}, {"port": 1.5}, {"prefix": 7}])
def test_faults_of_the_configuration_are_named(arguments):
    with pytest.raises(ConfigError, match=next(iter(arguments))):
        PBChangeSource(**arguments)
