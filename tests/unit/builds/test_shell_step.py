"""A step that runs a program, from template to result."""

from ci_common.results import FAILURE, SUCCESS
from ci_master.builds.buildstep import BuildStep, ShellMixin
from ci_master.builds.properties import Interpolate, Property
from tests.fakes.builds import StepHarness


class Shell(ShellMixin, BuildStep):
    name = "shell"

    def __init__(self, **kwargs):
        kwargs = self.setupShellMixin(kwargs)
        super().__init__(**kwargs)

    async def run(self):
        command = await self.makeRemoteShellCommand()
        await self.runCommand(command)
        return command.results()


def test_a_program_that_ends_with_zero_is_a_success():
    harness = StepHarness()
    harness.expect("shell", command=["true"], workdir="build").stdout("hi\n").rc(0)
    ran = harness.run(Shell(command=["true"]))
    assert ran.result == SUCCESS
    assert ran.state == "'true'"
    assert ran.log("stdio").stdout == "hi\n"
    assert ran.log("stdio").header == "program finished with exit code 0\n"
    assert ran.log("stdio").finished
    assert ran.build_state == "build successful"


def test_a_program_that_fails_fails_step_and_build():
    harness = StepHarness(properties={"target": "all"})
    harness.expect("shell", command=["make", "all", "-j"]).stderr("no\n").rc(2)
    ran = harness.run(Shell(command=["make", Property("target"), "-j"]))
    assert ran.result == FAILURE
    assert ran.state == "'make all ...' (failure)"
    assert ran.build_state == "failed 'make all ...' (failure)"


def test_the_environment_of_the_builder_is_rendered_and_extended_by_the_step():
    harness = StepHarness(env={"A": Property("branch"), "B": "b"}, stamps=[{"branch": "main"}])
    harness.expect("shell", env={"A": "main", "B": "c", "C": "b1"}).rc(0)
    env = {"B": "c", "C": Interpolate("%(prop:buildername)s")}
    assert harness.run(Shell(command="x", env=env)).result == SUCCESS
