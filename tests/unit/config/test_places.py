"""Finding the line of a configuration that set a key."""

from pathlib import Path

import pytest

from ci_master.config.places import KeyPlaces


@pytest.mark.parametrize(
    ("source", "key", "where"),
    [
        ("c = {}\nc['title'] = 1\n", "title", "master.cfg:2"),
        ("c = {}\nc['www']['port'] = 1\n", "www", "master.cfg:2"),
        ("c = {}\nc['x'] = []\nc['x'] += [1]\n", "x", "master.cfg:3"),
        ("c = BuildmasterConfig = {\n  'title': 1}\n", "title", "master.cfg:2"),
        ("BuildmasterConfig = dict(\n  title=1)\n", "title", "master.cfg:2"),
        ("c = {}\nc.update(title=1)\n", "title", "master.cfg"),
        ("c = {}\nother()['a'] = 1\n", "a", "master.cfg"),
        ("c = {}\nif 1:\n    def f():\n        c['title'] = 1\n", "title", "master.cfg:4"),
    ],
)
def test_a_key_has_the_line_that_set_it(source: str, key: str, where: str) -> None:
    assert KeyPlaces(Path("/x/master.cfg"), source.encode()).of(key) == where
