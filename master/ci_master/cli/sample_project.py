"""The sample project that ``ci-master quickstart`` builds: a few commits of a tiny package.

Its tests fail in one commit and in the last one, its style is complained about in another, and one
program of it runs for minutes, so that the pages have something to show.
"""

from dataclasses import dataclass, field

_PACKAGE = '''\
"""Sums for people who would rather not do them in their heads."""


def add(a, b):
    """The sum of two numbers."""
    return a + b
'''

_MEAN = '''

def mean(numbers):
    """The arithmetic mean of some numbers."""
    return sum(numbers) / len(numbers)  # TODO: what if there are none?
'''

_BROKEN_MEAN = '''

def mean(numbers):
    """The arithmetic mean of some numbers; 0 if there are none."""
    return sum(numbers) // len(numbers) if numbers else 0
'''

_MEDIAN = '''

def median(numbers):
    """The number in the middle."""
    return sorted(numbers)[len(numbers) // 2]
'''

_MENDED_MEAN = _BROKEN_MEAN.replace("//", "/")

_TESTS = """\
import unittest

import sums


class AddTests(unittest.TestCase):
    def test_adds_two_numbers(self):
        self.assertEqual(sums.add(2, 3), 5)
"""

_MEAN_TESTS = """

class MeanTests(unittest.TestCase):
    def test_the_mean_of_two_numbers_lies_between_them(self):
        self.assertEqual(sums.mean([1, 2]), 1.5)
"""

_MEDIAN_TESTS = """

class MedianTests(unittest.TestCase):
    def test_the_median_of_three_numbers_is_the_one_in_the_middle(self):
        self.assertEqual(sums.median([9, 1, 2]), 2)

    def test_the_median_of_two_numbers_lies_between_them(self):
        self.assertEqual(sums.median([1, 2]), 1.5)
"""

_SOAK = '''\
"""Add numbers for six minutes, so that something runs and something waits."""

import time

import sums

ROUNDS = 360

for number in range(1, ROUNDS + 1):
    assert sums.add(number, -number) == 0
    print(f"round {number} of {ROUNDS}", flush=True)
    time.sleep(1)
'''

_LINT = '''\
"""Complain about the style of this project's files. Warnings do not fail."""

import pathlib

LONGEST = 79

for path in sorted(pathlib.Path(".").rglob("*.py")):
    if path.name == "lint.py":
        continue
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if len(line) > LONGEST:
            print(f"{path}:{number}: warning: the line is longer than {LONGEST}")
        if "TODO" in line:
            print(f"{path}:{number}: warning: something is left to do")
'''

_README = """\
A sample for trying out continuous integration: change something, commit it, push it.
"""


@dataclass(frozen=True)
class Commit:
    """A commit: its subject, and the whole text of each file that it writes."""

    subject: str
    files: dict[str, str] = field(default_factory=dict)


COMMITS = (
    Commit(
        "Add a package that adds numbers",
        {
            "README": _README,
            "sums/__init__.py": _PACKAGE,
            "tests/__init__.py": "",
            "tests/test_sums.py": _TESTS,
            "lint.py": _LINT,
            "soak.py": _SOAK,
        },
    ),
    Commit(
        "Add the mean of numbers",  # leaves a TODO: warnings
        {
            "sums/__init__.py": _PACKAGE + _MEAN,
            "tests/test_sums.py": _TESTS + _MEAN_TESTS,
        },
    ),
    Commit(
        "Give no numbers the mean 0",  # and divides wrongly: a test fails
        {"sums/__init__.py": _PACKAGE + _BROKEN_MEAN},
    ),
    Commit(
        "Divide with fractions again",
        {"sums/__init__.py": _PACKAGE + _MENDED_MEAN},
    ),
    Commit(
        "Add the median of numbers",  # of an even count it is wrong: a test fails, and it stays so
        {
            "sums/__init__.py": _PACKAGE + _MENDED_MEAN + _MEDIAN,
            "tests/test_sums.py": _TESTS + _MEAN_TESTS + _MEDIAN_TESTS,
        },
    ),
)
