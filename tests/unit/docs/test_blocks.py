"""Every example of the documentation is read by what reads it.

Python examples are completed to a whole master.cfg and loaded, as ``ci-master checkconfig`` does;
the commands of shell examples are parsed; see ``docs/design/documentation.rst``.
"""

import json
import re
from pathlib import Path

import pytest
from docutils.core import publish_doctree

from ci_master.config.load import loads
from tests.certificates import make_certificate
from tests.documentation.blocks import ROOT, Block, all_blocks, blocks_of, pages
from tests.documentation.commands import WrongCommand, check_commands
from tests.documentation.completion import sections_of, whole_configuration, write_files

#: Examples that nothing reads but people: each says why, and there are few.
MOST_NOT_RUN = 8


def page_ids() -> list[str]:
    return [str(page.relative_to(ROOT)) for page in pages()]


@pytest.mark.parametrize("page", page_ids())
def test_a_page_is_valid_and_has_no_warnings(page: str) -> None:
    told: list[str] = []

    class Stream:
        def write(self, text: str) -> None:
            told.append(text)

    publish_doctree(
        (ROOT / page).read_text(encoding="utf-8"),
        source_path=page,
        settings_overrides={"report_level": 2, "halt_level": 5, "warning_stream": Stream()},
    )
    assert told == []


def test_every_example_is_of_a_known_kind() -> None:
    unknown = [block.where for block in all_blocks() if not block.kind]
    assert unknown == [], (
        "write '.. not run: REASON', '.. output', '.. picture' or '.. file: NAME' before it"
    )


def test_few_examples_are_not_run_and_each_says_why() -> None:
    found = [block for block in all_blocks() if block.kind == "not run"]
    assert [one.where for one in found if not re.match(r"not run: .{15,}", one.note)] == []
    assert len(found) <= MOST_NOT_RUN, [one.where for one in found]


def pages_with(kind: str) -> list[str]:
    return [name for name in page_ids() if any(one.kind == kind for one in blocks_of(ROOT / name))]


@pytest.mark.parametrize("page", pages_with("python"))
def test_python_examples_are_configurations(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = blocks_of(ROOT / page)
    write_files(blocks, tmp_path)
    make_certificate(tmp_path, "examples")
    for earlier, section in sections_of([one for one in blocks if one.kind == "python"]):
        text = whole_configuration(earlier, section)
        # The directory of a socket must be there.
        loads(text.replace("unix:/run/ci/", f"unix:{tmp_path}/"), tmp_path)


def test_shell_examples_call_programs_that_there_are() -> None:
    wrong = []
    for block in all_blocks():
        if block.kind == "shell":
            try:
                check_commands(block)
            except WrongCommand as error:
                wrong.append(f"{block.where}: {error}")
    assert wrong == []


@pytest.mark.parametrize(
    "text",
    [
        "ci-master start --clean DIRECTORY\n",
        "ci-master staart DIRECTORY\n",
        "ci-worker create-worker --nosuch DIRECTORY host name password\n",
        "frobnicate --all\n",
        "cd work && frobnicate\n",
    ],
)
def test_a_wrong_command_is_found(text: str) -> None:
    with pytest.raises(WrongCommand):
        check_commands(Block("page", 1, 0, "", text, "shell"))


def test_json_examples_are_json() -> None:
    for block in all_blocks():
        if block.kind == "json":
            json.loads(block.text)


def test_nginx_examples_are_balanced() -> None:
    for block in all_blocks():
        if block.kind == "nginx":
            lines = [line.partition("#")[0].strip() for line in block.text.splitlines()]
            assert all(line[-1] in "{};" for line in lines if line), block.where
            assert block.text.count("{") == block.text.count("}"), block.where
