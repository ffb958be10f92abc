"""Builds forced from a form."""

import pytest
from twisted.trial.unittest import SynchronousTestCase

from ci_common.faults import ConfigError, Refused
from ci_master.data.actions import ForceRefused
from ci_master.schedulers.actions import register_actions
from ci_master.schedulers.forcesched import (
    AnyPropertyParameter,
    BooleanParameter,
    ChoiceStringParameter,
    CodebaseParameter,
    CollectedValidationError,
    FileParameter,
    FixedParameter,
    ForceScheduler,
    InheritBuildParameter,
    IntParameter,
    NestedParameter,
    PatchParameter,
    StringParameter,
    TextParameter,
    UserNameParameter,
    ValidationErrorCollector,
    WorkerChoiceParameter,
)
from tests.fakes.schedulers import FakeSite, run


def forced(properties, codebases=None, **posted):
    """(properties without their source, source stamps, errors) of what is posted."""
    fake = FakeSite()
    answers = fake.facade.data.answers
    answers["builders", "b1", "builds", "7"] = {"buildid": 70}
    answers["builds", "70", "properties"] = {
        "opt": ["-O2", "Force Build Form"],
        "workername": ["w", "Worker"],
    }
    scheduler = fake.start(ForceScheduler("f", ["b1"], properties=properties, codebases=codebases))
    collector = ValidationErrorCollector()
    posted = {key: value if isinstance(value, list) else [value] for key, value in posted.items()}
    props, _, stamps = run(scheduler.gatherPropertiesAndChanges(collector, **posted))
    values = {name: value for name, (value, _) in props.asDict().items()}
    return values, stamps, collector.errors


TWO = [StringParameter("s2", default="d"), IntParameter("i2", default=4)]

PROPERTY_CASES = [
    ([StringParameter("s")], {}, {"s": ""}),
    ([StringParameter("s", default="d")], {"s": ""}, {"s": "d"}),
    ([StringParameter("s")], {"s": "v"}, {"s": "v"}),
    ([StringParameter("s")], {"s": 12}, {"s": "12"}),
    ([StringParameter("s", multiple=True)], {"s": ["x", "", "y"]}, {"s": ["x", "y"]}),
    ([StringParameter("s", multiple=True, default=["z"])], {"s": [""]}, {"s": ["z"]}),
    ([StringParameter("s", multiple=True)], {}, {"s": []}),
    ([StringParameter("s", regex="a+")], {}, {"s": ""}),
    ([TextParameter("t")], {"t": "a\r\nb"}, {"t": "a\r\nb"}),
    ([IntParameter("i", default=3)], {}, {"i": 3}),
    ([IntParameter("i", default=3)], {"i": ""}, {"i": 3}),
    ([IntParameter("i")], {"i": " 5 "}, {"i": 5}),
    ([IntParameter("i")], {"i": 0}, {"i": 0}),
    ([BooleanParameter("b", default=True)], {}, {"b": True}),
    ([BooleanParameter("b", default=True)], {"b": False}, {"b": False}),
    ([BooleanParameter("b", default=True)], {"b": []}, {"b": False}),
    ([BooleanParameter("b")], {}, {"b": False}),
    ([BooleanParameter("b")], {"b": "on"}, {"b": False}),
    ([BooleanParameter("b")], {"b": [True]}, {"b": True}),
    ([ChoiceStringParameter("c", choices=["q", "w"])], {"c": "w"}, {"c": "w"}),
    ([ChoiceStringParameter("c", choices=["q"], strict=False)], {"c": "z"}, {"c": "z"}),
    (
        [ChoiceStringParameter("c", choices=["q", "w"], multiple=True)],
        {"c": ["q", "w"]},
        {"c": ["q", "w"]},
    ),
    ([FixedParameter("x", default="k")], {"x": "other"}, {"x": "k"}),
    ([FixedParameter("x", default="k")], {}, {"x": "k"}),
    ([FileParameter("f")], {"f": b"caf\xc3\xa9"}, {"f": "caf\xe9"}),
    ([NestedParameter("n", fields=TWO)], {"n_s2": "v"}, {"n": {"s2": "v", "i2": 4}}),
    ([NestedParameter("", fields=TWO)], {"s2": "v"}, {"s2": "v", "i2": 4}),
    (
        [NestedParameter("n", fields=[NestedParameter("m", fields=[IntParameter("i")])])],
        {"n_m_i": "1"},
        {"n": {"m": {"i": 1}}},
    ),
    (
        [NestedParameter("n", fields=[NestedParameter("", fields=[IntParameter("i")])])],
        {"n_i": "1"},
        {"n": {"i": 1}},
    ),
    ([AnyPropertyParameter("any")], {"any_name": "p", "any_value": "v"}, {"p": "v"}),
    ([AnyPropertyParameter("any")], {}, {}),
    ([WorkerChoiceParameter()], {"workername": "w1"}, {"workername": "w1"}),
    ([WorkerChoiceParameter()], {"workername": "-any-"}, {}),
    ([WorkerChoiceParameter()], {}, {}),
    ([InheritBuildParameter("inh")], {"inh": "b1/7 yesterday"}, {"opt": "-O2"}),
    ([InheritBuildParameter("inh")], {}, {}),
]


@pytest.mark.parametrize(("properties", "posted", "expected"), PROPERTY_CASES)
def test_fields_set_properties(properties, posted, expected):
    values, _, errors = forced(properties, **posted)
    assert (values, errors) == (expected, {})


ERROR_CASES = [
    ([StringParameter("s", required=True)], {}, {"s": "'s' needs to be specified"}),
    (
        [StringParameter("s", required=True, label="Lab")],
        {"s": ""},
        {"s": "'Lab' needs to be specified"},
    ),
    (
        [StringParameter("s", regex="a+$", label="Lab")],
        {"s": "b"},
        {"s": "Lab:'b' does not match pattern 'a+$'"},
    ),
    ([StringParameter("s", maxsize=3)], {"s": "aaaa"}, {"s": "s: is too large 4 > 3"}),
    (
        [IntParameter("i")],
        {"i": "abc"},
        {"i": "invalid literal for int() with base 10: 'abc'"},
    ),
    ([IntParameter("i")], {"i": 1.5}, {"i": "invalid literal for int() with base 10: '1.5'"}),
    (
        [ChoiceStringParameter("c", choices=["a", "b"])],
        {"c": "zz"},
        {"c": "'zz' does not belong to list of available choices '['a', 'b']'"},
    ),
    (
        [NestedParameter("n", fields=[IntParameter("i"), IntParameter("j")])],
        {"n_i": "x", "n_j": "y"},
        {
            "n_i": "invalid literal for int() with base 10: 'x'",
            "n_j": "invalid literal for int() with base 10: 'y'",
        },
    ),
    ([FileParameter("f", maxsize=3)], {"f": "abcd"}, {"f": "f: is too large 4 > 3"}),
    ([FileParameter("f")], {"f": b"\xff"}, {"f": "f: is no text in UTF-8"}),
    (
        [AnyPropertyParameter("any")],
        {"any_name": "a b", "any_value": ""},
        {"any": "bad property name='a b'"},
    ),
    ([InheritBuildParameter("inh")], {"inh": "x"}, {"inh": "bad build: x"}),
    ([InheritBuildParameter("inh", required=True)], {}, {"inh": "bad build: "}),
    (
        [InheritBuildParameter("inh")],
        {"inh": "b1/8"},
        {"inh": "there is no build 8 of builder 'b1'"},
    ),
]


@pytest.mark.parametrize(("properties", "posted", "expected"), ERROR_CASES)
def test_wrong_fields_are_named(properties, posted, expected):
    assert forced(properties, **posted)[2] == expected


CODEBASE_CASES = [
    (None, {"branch": "br"}, {"": {"branch": "br"}}),
    (["x"], {"x_branch": "br"}, {"x": {"branch": "br"}}),
    (
        [CodebaseParameter("y", branch="main", revision=None)],
        {"y_branch": "no", "y_revision": "r"},
        {"y": {"branch": "main"}},
    ),
    (
        [CodebaseParameter("y", revision=StringParameter("rev", default="r1"))],
        {},
        {"y": {"revision": "r1", "branch": ""}},
    ),
]


@pytest.mark.parametrize(("codebases", "posted", "expected"), CODEBASE_CASES)
def test_codebases_become_source_stamps(codebases, posted, expected):
    _, stamps, errors = forced([], codebases, **posted)
    assert errors == {}
    for codebase, stamp in expected.items():
        filled = {key: value for key, value in stamps[codebase].items() if key in stamp or value}
        assert filled == stamp


class ForceTests(SynchronousTestCase):
    def setUp(self):
        self.fake = FakeSite()

    def start(self, **kwargs):
        return self.fake.start(ForceScheduler("f", ["b1", "b2"], **kwargs))

    def test_everything_has_a_default(self):
        result = run(self.start().force("joe <j@x>"))
        self.assertEqual(result, (1, {1: 101, 2: 102}))
        [added] = self.fake.buildsets.added
        self.assertEqual(added.reason, "A build was forced by 'joe <j@x>': force build")
        self.assertEqual(added.priority, 0)
        self.assertEqual(
            added.properties,
            {
                "scheduler": ("f", "Scheduler"),
                "reason": ("force build", "Force Build Form"),
                "owner": ("joe <j@x>", "Force Build Form"),
            },
        )
        self.assertEqual(
            added.sourcestamps,
            [
                {
                    "codebase": "",
                    "repository": "",
                    "branch": "",
                    "revision": "",
                    "project": "",
                }
            ],
        )

    def test_nobody_in_particular_is_an_empty_owner(self):
        for owner in ("anonymous", "", None):
            run(self.start().force(owner))
            added = self.fake.buildsets.added[-1]
            self.assertEqual(added.reason, "A build was forced by '': force build")
            self.assertEqual(added.properties["owner"], ("", "Force Build Form"))

    def test_builders_may_be_chosen_by_name_or_id(self):
        scheduler = self.start()
        run(scheduler.force("me", builderNames=["b2", "other"]))
        run(scheduler.force("me", builderid="1"))
        self.assertEqual([added.builderids for added in self.fake.buildsets.added], [[2], [1]])

    def test_builders_of_others_are_refused(self):
        with self.assertRaises(Refused):
            run(self.start().force("me", builderNames=["other"]))

    def test_without_a_login_the_user_name_is_taken_from_the_form(self):
        scheduler = self.start()
        run(scheduler.force("anonymous", username="me <m@e.org>", priority="7", reason=["why"]))
        [added] = self.fake.buildsets.added
        self.assertEqual(added.properties["owner"][0], "me <m@e.org>")
        self.assertEqual(added.priority, 7)
        self.assertEqual(added.properties["reason"][0], "why")

    def test_a_user_name_without_mail_address_is_refused(self):
        with self.assertRaises(CollectedValidationError) as caught:
            run(self.start().force(None, username="me", priority="x"))
        self.assertEqual(list(caught.exception.errors), ["priority", "username"])
        self.assertEqual(self.fake.buildsets.added, [])

    def test_a_patch_comes_with_its_bytes(self):
        scheduler = self.start(codebases=[CodebaseParameter("", patch=PatchParameter())])
        run(scheduler.force("me", patch_body="--- a\n", patch_level="0", branch="br"))
        [added] = self.fake.buildsets.added
        self.assertEqual(added.sourcestamps[0]["branch"], "br")
        self.assertEqual(
            added.sourcestamps[0]["patch"],
            {"body": b"--- a\n", "level": 0, "author": "", "comment": "", "subdir": "."},
        )
        run(scheduler.force("me"))
        self.assertNotIn("patch", self.fake.buildsets.added[1].sourcestamps[0])

    def test_one_that_is_switched_off_refuses(self):
        scheduler = self.start()
        self.fake.schedulers.know("f").enabled = False
        with self.assertRaises(Refused):
            run(scheduler.force("me"))

    def test_it_is_forced_and_switched_by_actions(self):
        scheduler = self.start(properties=[IntParameter("i")])
        register_actions(self.fake.data, lambda: [scheduler])
        call = self.fake.actions.call
        result = run(call("forceschedulers", "f", "force", {"owner": "me", "builderid": 1}))
        self.assertEqual(result, (1, {1: 101}))
        with self.assertRaises(ForceRefused) as caught:
            run(call("forceschedulers", "f", "force", {"owner": "me", "i": "x"}))
        self.assertEqual(list(caught.exception.errors), ["i"])
        run(call("schedulers", 1, "enable", {"enabled": False}))
        self.assertFalse(scheduler.enabled)
        for kind, key, method in (
            ("forceschedulers", "nosuch", "force"),
            ("schedulers", 77, "enable"),
        ):
            with self.assertRaises(Refused):
                run(call(kind, key, method, {"enabled": True}))

    def test_the_resource_tells_the_form_with_its_choices(self):
        self.fake.facade.data.answers["workers",] = [{"name": "w2"}, {"name": "w1"}]
        scheduler = self.start(
            properties=[
                WorkerChoiceParameter(),
                InheritBuildParameter("inh", compatible_builds=lambda master, builder: ["b1/1"]),
                StringParameter("s", regex="a+"),
            ]
        )
        resource = run(scheduler.as_json())
        self.assertEqual(resource["button_name"], "f")
        self.assertEqual(resource["builder_names"], ["b1", "b2"])
        general, codebase, worker, inherit, text = resource["all_fields"]
        self.assertEqual(
            [field["fullName"] for field in general["fields"]], ["username", "reason", "priority"]
        )
        self.assertEqual((general["fullName"], codebase["columns"]), (None, 2))
        self.assertEqual(worker["choices"], ["-any-", "w1", "w2"])
        self.assertEqual(inherit["choices"], ["b1/1"])
        self.assertEqual(text["regex"], "a+")

    def test_failing_choices_leave_the_rest_of_the_form(self):
        scheduler = self.start(
            properties=[InheritBuildParameter("inh", compatible_builds=lambda m, b: 1 // 0)]
        )
        self.assertEqual(run(scheduler.form_fields())[-1]["choices"], [])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


def test_the_spec_of_a_field_is_complete():
    assert UserNameParameter().getSpec() == {
        "name": "username",
        "fullName": "username",
        "label": "Your name:",
        "tablabel": "Your name:",
        "type": "username",
        "default": "",
        "required": False,
        "multiple": False,
        "regex": None,
        "hide": False,
        "maxsize": None,
        "autopopulate": None,
        "tooltip": "",
        "size": 30,
        "need_email": True,
    }


def test_a_group_tells_its_fields():
    spec = NestedParameter("n", fields=[NestedParameter("", fields=TWO)]).getSpec()
    assert [spec["layout"], spec["columns"]] == ["vertical", 1]
    assert spec["fields"][0]["fullName"] == "n"
    assert [field["fullName"] for field in spec["fields"][0]["fields"]] == ["n_s2", "n_i2"]


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: ForceScheduler("1 bad", ["a"]), "must be an identifier"),
        (lambda: ForceScheduler("", ["a"]), "must be an identifier"),
        (lambda: ForceScheduler("f", "a"), "builderNames"),
        (lambda: ForceScheduler("f", [3]), "named by strings"),
        (lambda: ForceScheduler("f", ["a"], reason="x"), "reason must be a StringParameter"),
        (lambda: ForceScheduler("f", ["a"], username="x"), "username must be a StringParameter"),
        (lambda: ForceScheduler("f", ["a"], priority=3), "priority must be an IntParameter"),
        (lambda: ForceScheduler("f", ["a"], codebases=[]), "cannot be empty"),
        (lambda: ForceScheduler("f", ["a"], codebases={"a": 1}), "should be a list"),
        (lambda: ForceScheduler("f", ["a"], codebases=[1]), "must be a list of strings"),
        (lambda: ForceScheduler("f", ["a"], properties=[1]), "list of BaseParameters"),
        (lambda: ForceScheduler("f", ["a"], reasonString="%(oops)s"), "reasonString"),
        (lambda: StringParameter("owner"), "cannot be named 'owner'"),
        (lambda: StringParameter("s", value=3), "default=3"),
        (lambda: StringParameter("s", requierd=True), "did you mean 'required'"),
        (lambda: StringParameter("s", regex="("), "no regular expression"),
        (lambda: NestedParameter("n", fields=TWO, columns=7), "columns is 7"),
        (lambda: NestedParameter("n", fields=TWO, layout="bad"), "no layout 'bad'"),
        (lambda: CodebaseParameter("", branch=3), "'branch' must be a field"),
    ],
)
def test_faults_of_the_configuration_are_named(make, text):
    with pytest.raises(ConfigError) as caught:
        make()
    assert text in str(caught.value)
