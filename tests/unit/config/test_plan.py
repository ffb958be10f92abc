"""What a reload finds added, changed, removed and unchanged."""

from pathlib import Path

import pytest

from ci_master.config.plan import Plan, alike, plan
from tests.unit.config.minimal import MINIMAL, load


def compared(directory: Path, before: str, after: str) -> Plan:
    """The plan from one text, put behind a minimal configuration, to another."""
    return plan(load(directory, MINIMAL + before), load(directory, MINIMAL + after))


def test_the_same_text_changes_nothing(tmp_path: Path) -> None:
    lines = """
def choose(builder, requests):
    return requests[0]
class Mine(steps.ShellCommand):
    name = 'mine'
c['builders'][0].nextBuild = choose
c['builders'][0].factory.addStep(Mine(command=['a', util.Property('b')]))
c['prioritizeBuilders'] = lambda master, builders: builders
"""
    found = compared(tmp_path, lines, lines)
    assert not found
    assert found.summary() == ["nothing has changed"]
    assert [new.name for _, new in found["builder"].unchanged] == ["b"]


@pytest.mark.parametrize(
    ("before", "after", "summary"),
    [
        (
            "",
            "c['workers'].append(worker.Worker('w2', 'x'))",
            ["1 worker added: w2"],
        ),
        (
            "c['workers'].append(worker.Worker('w2', 'x'))",
            "",
            ["1 worker removed: w2"],
        ),
        (
            "",
            "c['builders'][0].factory.addStep(steps.ShellCommand(command='x'))",
            ["1 builder changed: b"],
        ),
        (
            "c['builders'][0].factory.addStep(steps.ShellCommand(command='x'))",
            "c['builders'][0].factory.addStep(steps.ShellCommand(command='y'))",
            ["1 builder changed: b"],
        ),
        (
            "c['builders'][0].do_build_if = lambda build: True",
            "c['builders'][0].do_build_if = lambda build: False",
            ["1 builder changed: b"],
        ),
        (
            "",
            "c['title'] = 'T'; c['www'] = {'port': 1}",
            ["settings changed: title, www"],
        ),
        (
            "",
            "c['schedulers'] = [schedulers.AnyBranchScheduler(name='t', builderNames=['b'])]",
            ["1 scheduler added: t", "1 scheduler removed: s"],
        ),
        (
            "c['change_source'] = changes.PBChangeSource()",
            "c['change_source'] = changes.PBChangeSource(user='u', passwd='p')",
            None,
        ),
    ],
)
def test_a_difference_is_told(
    tmp_path: Path, before: str, after: str, summary: list[str] | None
) -> None:
    found = compared(tmp_path, before, after)
    assert found
    if summary is not None:
        assert found.summary() == summary


def test_a_changed_class_of_the_author_changes_its_builders(tmp_path: Path) -> None:
    lines = """
class Mine(steps.ShellCommand):
    name = {name!r}
c['builders'][0].factory.addStep(Mine(command='x'))
"""
    found = compared(tmp_path, lines.format(name="one"), lines.format(name="two"))
    assert found.summary() == ["1 builder changed: b"]


def test_at_the_start_everything_is_added(tmp_path: Path) -> None:
    found = plan(None, load(tmp_path, MINIMAL))
    assert found.summary() == ["1 worker added: w", "1 builder added: b", "1 scheduler added: s"]


def test_many_names_are_counted(tmp_path: Path) -> None:
    lines = "c['workers'] += [worker.Worker(f'x{i}', 'p') for i in range(12)]\n"
    assert compared(tmp_path, "", lines).summary() == [
        "12 workers added: x0, x1, x2, x3, x4, x5, x6, x7, x8, x9 and 2 more"
    ]


@pytest.mark.parametrize(
    ("a", "b", "is_alike"),
    [
        (1, 1, True),
        (1, 2, False),
        ([1, "a"], [1, "a"], True),
        ([1], (1,), False),
        ({"a": [1]}, {"a": [1]}, True),
        ({"a": 1}, {"b": 1}, False),
        (int, int, True),
        (int, str, False),
        (lambda: 1, lambda: 1, True),
        (lambda: 1, lambda: 2, False),
    ],
)
def test_values_are_alike_if_they_behave_alike(a: object, b: object, is_alike: bool) -> None:
    assert alike(a, b) is is_alike
