"""Ready-made recipes, and the steps that carry secrets around."""

from typing import Any

import pytest
from twisted.internet.defer import Deferred, ensureDeferred, succeed

from ci_common.results import FAILURE, SUCCESS
from ci_master.builds.factory import BuildFactory
from ci_master.builds.properties import Secret
from ci_master.steps.factories import CPAN, Distutils, GNUAutoconf
from ci_master.steps.secrets import DownloadSecretsToWorker, RemoveWorkerFileSecret, below
from ci_master.steps.shell import ShellCommand

SOURCE = ShellCommand(command=["get"])


@pytest.mark.parametrize(
    ("factory", "wanted"),
    [
        (
            GNUAutoconf(SOURCE),
            ["./configure", ["make", "all"], ["make", "check"], ["make", "distcheck"]],
        ),
        (
            GNUAutoconf(SOURCE, configureFlags=["--x"], reconf=True, compile=None, test=["t"]),
            [["autoreconf", "-si"], ["./configure", "--x"], ["t"], ["make", "distcheck"]],
        ),
        (
            GNUAutoconf(SOURCE, configure=None, reconf=["boot"], test=None, distcheck=None),
            [["boot"], ["make", "all"]],
        ),
        (CPAN(SOURCE, "perl5"), [["perl5", "Makefile.PL"], ["make"], ["make", "test"]]),
        (Distutils(SOURCE), [["python", "./setup.py", "build"]]),
        (Distutils(SOURCE, test=["t"]), [["python", "./setup.py", "build"], ["t"]]),
    ],
)
def test_a_recipe_runs_the_usual_commands(factory: BuildFactory, wanted: list[Any]) -> None:
    assert [step.kwargs["command"] for step in factory.steps] == [["get"], *wanted]


def test_the_environment_is_that_of_all_steps() -> None:
    steps = GNUAutoconf(SOURCE, configureEnv={"CC": "cc"}).steps
    assert [step.kwargs.get("env") for step in steps[1:]] == [{"CC": "cc"}] * 4


class Files:
    """The files of a worker."""

    workdir = "build"
    broken = False

    def __init__(self) -> None:
        self.files: dict[str, Any] = {}

    def checkWorkerHasCommand(self, name: str) -> None:
        pass


class Download(DownloadSecretsToWorker):
    def downloadFileContentToWorker(
        self, workerdest: str, strfile: Any, *args: Any, mode: int | None = None, **kwargs: Any
    ) -> Deferred[Any]:
        self.worker.files[workerdest] = (strfile, mode)
        return succeed(None if self.worker.broken else strfile)

    def checkWorkerHasCommand(self, command: str) -> None:
        pass


class Remove(RemoveWorkerFileSecret):
    def runRmFile(self, path: str, *args: Any, **kwargs: Any) -> Deferred[Any]:
        self.worker.files[path] = None
        return succeed(self.worker.broken)  # True says that it failed

    def checkWorkerHasCommand(self, command: str) -> None:
        pass


def run(template: Any, worker: Files) -> int:
    step = template.get_step_factory().buildStep()
    step.worker = worker
    step.workdir = worker.workdir
    results: list[int] = []
    ensureDeferred(step.run()).addCallback(results.append)
    return results[0]


@pytest.mark.parametrize(("broken", "result"), [(False, SUCCESS), (True, FAILURE)])
def test_secrets_are_written_for_the_worker_only_and_removed(broken: bool, result: int) -> None:
    worker = Files()
    worker.broken = broken
    pairs = [("key", "s3cret"), ("/abs/key", "other")]
    assert run(Download(pairs), worker) == result
    assert worker.files == {"key": ("s3cret", 0o600), "/abs/key": ("other", 0o600)}
    worker.files.clear()
    assert run(Remove(pairs), worker) == result
    assert worker.files == {"build/key": None, "/abs/key": None}


def test_removing_needs_no_secret_and_happens_in_any_case() -> None:
    factory = BuildFactory()
    with factory.withSecrets([("key", Secret("k"))]):
        factory.addStep(SOURCE)
    first, _, last = (step.buildStep() for step in factory.steps)
    assert isinstance(first, DownloadSecretsToWorker)
    assert isinstance(last, RemoveWorkerFileSecret)
    assert last.alwaysRun
    assert last.paths == ["key"]


@pytest.mark.parametrize(
    ("path", "wanted"), [("k", "d/k"), ("/k", "/k"), ("C:\\k", "C:\\k"), ("a/k", "d/a/k")]
)
def test_a_path_is_below_the_directory_unless_it_is_absolute(path: str, wanted: str) -> None:
    assert below("d", path) == wanted
