"""Whatever code a configuration brings is loaded anew, from wherever; what is installed is not."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from ci_common.faults import ConfigError
from ci_master.config import modules
from ci_master.config.load import load_config
from ci_master.config.model import Config
from ci_master.config.plan import plan
from tests.unit.config.minimal import MINIMAL

TITLE = "import {module} as helper\nc['title'] = helper.TITLE\n"


@pytest.fixture(autouse=True)
def process_as_before() -> Iterator[None]:
    """What a test brings into the process goes with it."""
    path, names, known = list(sys.path), set(sys.modules), replace(modules._process)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - names:
        if not name.startswith(("ci_", "twisted.", "sqlalchemy")):
            del sys.modules[name]
    modules._process.__dict__.update(known.__dict__)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A master's directory."""
    (tmp_path / "master").mkdir()
    return tmp_path / "master"


def loaded(home: Path, lines: str) -> Config:
    path = home / "master.cfg"
    if not path.is_symlink():
        path.write_text(MINIMAL + lines)
    return load_config(home)


def write(path: Path, text: str) -> None:
    """Write a module. Its size and second of writing may be those of the one before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def by_insert(home: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, str]:
    return home.parent / "lib", "import sys\nsys.path.insert(0, basedir + '/../lib')\n"


def by_append(home: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, str]:
    return home.parent / "lib", f"import sys\nsys.path.append({str(home.parent / 'lib')!r})\n"


def by_pythonpath(home: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, str]:
    lib = home.parent / "lib"
    monkeypatch.setenv("PYTHONPATH", str(lib))
    monkeypatch.syspath_prepend(str(lib))
    return lib, ""


def by_link(home: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, str]:
    """``master.cfg`` is a link into a checkout, and its modules lie there."""
    lib = home.parent / "checkout"
    lib.mkdir()
    (home / "master.cfg").symlink_to(lib / "ours.cfg")
    return lib, ""


def by_linked_directory(home: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, str]:
    lib = home.parent / "real"
    lib.mkdir()
    (home / "lib").symlink_to(lib)
    return lib, "import sys\nsys.path.insert(0, basedir + '/lib')\n"


def beside(home: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, str]:
    return home, ""


WAYS = [by_insert, by_append, by_pythonpath, by_link, by_linked_directory, beside]

#: file of the module -> the name by which it is imported
SHAPES = {
    "helper_m.py": "helper_m",
    "package_m/__init__.py": "package_m",
    "package_m/parts/inner.py": "package_m.parts.inner",
    "namespace_m/inner.py": "namespace_m.inner",
}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("shape", SHAPES)
def test_an_edited_module_is_loaded_again(
    way: object, shape: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lib, lines = way(home, monkeypatch)  # type: ignore[operator]
    lines += TITLE.format(module=SHAPES[shape])
    if (home / "master.cfg").is_symlink():
        write(lib / "ours.cfg", MINIMAL + lines)
    if shape == "package_m/parts/inner.py":
        write(lib / "package_m/__init__.py", "")
        write(lib / "package_m/parts/__init__.py", "")
    titles = []
    for text in ("one", "two", "six"):  # of one length, written within a second
        write(lib / shape, f"TITLE = '{text}'\n")
        config = loaded(home, lines)
        titles.append(config.title)
    assert titles == ["one", "two", "six"]
    assert any(name.endswith(shape) for name in config.modules.sources)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_reload_that_is_not_used_leaves_the_modules_as_they_were(
    way: object, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lib, lines = way(home, monkeypatch)  # type: ignore[operator]
    lines += "import space_m.inner, package_m.inner\nc['title'] = space_m.inner.TITLE\n"
    if (home / "master.cfg").is_symlink():
        write(lib / "ours.cfg", MINIMAL + lines)
    for name in ("space_m/inner.py", "package_m/inner.py", "package_m/__init__.py"):
        write(lib / name, "TITLE = 'one'\n")
    loaded(home, lines)
    names = ("space_m", "space_m.inner", "package_m", "package_m.inner")
    running, path = [sys.modules[name] for name in names], list(sys.path)

    def is_as_it_was() -> bool:
        now = [sys.modules[name] for name in names]
        attributes = [sys.modules[name].inner for name in ("space_m", "package_m")]
        return now == running and attributes == running[1::2] and sys.path == path

    write(lib / "space_m/inner.py", "TITLE = 'two'\n")
    config = loaded(home, lines)
    assert config.title == "two"
    config.modules.put_back()
    assert is_as_it_was()
    write(lib / "space_m/inner.py", "TITLE = 'two'\n1 / 0\n")
    with pytest.raises(ConfigError, match="ZeroDivisionError"):
        loaded(home, lines)
    assert is_as_it_was()
    write(lib / "space_m/inner.py", "TITLE = 'six'\n")
    assert loaded(home, lines).title == "six"


def test_a_module_imported_later_is_forgotten_too(home: Path) -> None:
    lines = "import sys\nsys.path.insert(0, basedir + '/lib')\n"
    write(home / "lib/late_m.py", "VALUE = 1\n")
    loaded(home, lines)
    import late_m

    assert late_m.VALUE == 1
    write(home / "lib/late_m.py", "VALUE = 2\n")
    config = loaded(home, lines + "import late_m\nc['title'] = str(late_m.VALUE)\n")
    assert config.title == "2"


def test_a_directory_that_is_no_longer_named_is_no_longer_on_the_path(home: Path) -> None:
    for name in ("old", "new"):
        loaded(home, f"import sys\nsys.path.insert(0, basedir + '/{name}')\n")
    assert str(home) + "/new" in sys.path
    assert str(home) + "/old" not in sys.path


def test_what_is_installed_is_not_loaded_again(home: Path) -> None:
    lib = home / "lib"
    write(lib / "site-packages/known_m.py", "import random\nVALUE = random.random()\n")
    write(lib / "target/other_m.py", "import random\nVALUE = random.random()\n")
    write(lib / "target/other_m-1.0.dist-info/RECORD", "other_m.py,sha256=x,1\n")
    lines = (
        "import sys\nsys.path[:0] = [basedir + '/lib/site-packages', basedir + '/lib/target']\n"
        "import known_m, other_m, json\nc['title'] = f'{known_m.VALUE:.6}/{other_m.VALUE:.6}'\n"
    )
    json = sys.modules["json"]
    assert loaded(home, lines).title == loaded(home, lines).title
    assert sys.modules["json"] is json


def test_a_namespace_that_is_shared_with_the_installation_stays_whole(home: Path) -> None:
    write(home / "lib/site-packages/shared_m/theirs.py", "VALUE = 1\n")
    write(home / "shared_m/ours.py", "VALUE = 'one'\n")
    lines = (
        "import sys\nsys.path.insert(0, basedir + '/lib/site-packages')\n"
        "import shared_m.theirs\nfrom shared_m import ours\nc['title'] = ours.VALUE\n"
        "assert shared_m.theirs.VALUE == 1\n"
    )
    assert loaded(home, lines).title == "one"
    theirs: ModuleType = sys.modules["shared_m.theirs"]
    write(home / "shared_m/ours.py", "VALUE = 'two'\n")
    assert loaded(home, lines).title == "two"
    assert sys.modules["shared_m.theirs"] is theirs


def test_no_compiled_files_are_left_beside_the_configuration(home: Path) -> None:
    write(home / "plain_m.py", "")
    loaded(home, "import plain_m\n")
    assert not (home / "__pycache__").exists()


#: how a helper's code reaches a builder -> (the helper, the lines that use it). ``%s`` differs.
REACHES = {
    "a step's method": (
        "from ci_master.plugins import steps\n"
        "class Mine(steps.ShellCommand):\n    def getCurrentSummary(self): return {'step': %r}\n",
        "f.addStep(h.Mine(command=['true']))\n",
    ),
    "a function of a module": (
        "def words(): return %r\n",
        "@util.renderer\ndef words(props): return h.words()\n"
        "f.addStep(steps.ShellCommand(command=words))\n",
    ),
    "a function of a function's module": (
        "import deeper_m\ndef words(): return deeper_m.VALUE\n# %r\n",
        "@util.renderer\ndef words(props): return h.words()\n"
        "f.addStep(steps.ShellCommand(command=words))\n",
    ),
    "an object of the author's": (
        "class Settings:\n    def __init__(self, words): self.words = words\n"
        "SETTINGS = Settings(%r)\n",
        "@util.renderer\ndef words(props): return h.SETTINGS.words\n"
        "f.addStep(steps.ShellCommand(command=words))\n",
    ),
    "a function that remembers": (
        "from functools import lru_cache\n@lru_cache\ndef words(): return %r\n",
        "@util.renderer\ndef words(props): return h.words()\n"
        "f.addStep(steps.ShellCommand(command=words))\n",
    ),
    "a choice": (
        "import enum\nclass Kind(enum.Enum):\n    A = %r\n",
        "@util.renderer\ndef words(props): return h.Kind.A.value\n"
        "f.addStep(steps.ShellCommand(command=words))\n",
    ),
    "a data class": (
        "from dataclasses import dataclass\n@dataclass\nclass Words:\n    text: str\n"
        "WORDS = Words(%r)\n",
        "f.addStep(steps.SetProperty(property='a', value=h.WORDS))\n",
    ),
}


@pytest.mark.parametrize("reach", REACHES)
def test_edited_code_is_seen_however_it_reaches_a_builder(reach: str, home: Path) -> None:
    helper, lines = REACHES[reach]
    lines = f"import helper_r as h\nf = c['builders'][0].factory\n{lines}"

    def load_with(value: str) -> Config:
        write(home / "deeper_m.py", f"VALUE = {value!r}\n")
        write(home / "helper_r.py", helper % value)
        return loaded(home, lines)

    first, again, edited = load_with("one"), load_with("one"), load_with("two")
    assert plan(first, again).summary() == ["nothing has changed"]
    assert plan(again, edited).summary() == ["1 builder changed: b"]


def test_nothing_has_changed_is_not_said_of_an_edited_file(home: Path) -> None:
    write(home / "plain_m.py", "# one\n")
    first = loaded(home, "import plain_m\n")
    write(home / "plain_m.py", "# two\n")
    second = loaded(home, "import plain_m\n")
    third = loaded(home, "import plain_m  # a word\n")
    assert plan(first, second).summary() == [
        "edited: plain_m.py; but nothing that the configuration makes differs by it"
    ]
    assert plan(second, third).summary() == [
        "edited: master.cfg; but nothing that the configuration makes differs by it"
    ]
    assert plan(third, loaded(home, "import plain_m  # a word\n")).summary() == [
        "nothing has changed"
    ]
