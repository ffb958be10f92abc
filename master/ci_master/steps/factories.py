"""Ready-made recipes for common kinds of source trees."""

from collections.abc import Mapping
from typing import Any

from ci_master.builds.factory import BuildFactory
from ci_master.steps.shell import Configure, ShellCommand
from ci_master.steps.warningcounting import Compile, Test

__all__ = ["CPAN", "Distutils", "GNUAutoconf"]

#: Stands for "the usual command", where None means "not at all".
_USUAL: Any = object()


class GNUAutoconf(BuildFactory):
    """configure, make all, make check, make distcheck. A command of None leaves its step out.

    :param source: the step that gets the source.
    :param configure: the script; ``configureFlags`` are added to it.
    :param configureEnv: environment of all steps.
    :param reconf: run autoreconf first: True, or the command for it.
    """

    def __init__(
        self,
        source: Any,
        configure: Any = "./configure",
        configureEnv: Mapping[str, Any] | None = None,
        configureFlags: list[Any] | None = None,
        reconf: Any = None,
        compile: Any = _USUAL,
        test: Any = _USUAL,
        distcheck: Any = _USUAL,
    ) -> None:
        super().__init__([source])
        env = dict(configureEnv or {})
        if reconf:
            command = ["autoreconf", "-si"] if reconf is True else reconf
            self.addStep(ShellCommand(name="autoreconf", command=command, env=env))
        if configure is not None:
            command = [configure, *configureFlags] if configureFlags else configure
            self.addStep(Configure(command=command, env=env))
        for step_class, given, usual in (
            (Compile, compile, ["make", "all"]),
            (Test, test, ["make", "check"]),
            (Test, distcheck, ["make", "distcheck"]),
        ):
            command = usual if given is _USUAL else given
            if command is not None:
                self.addStep(step_class(command=command, env=env))


class CPAN(BuildFactory):
    """perl Makefile.PL, make, make test.

    :param source: the step that gets the source.
    :param perl: the interpreter.
    """

    def __init__(self, source: Any, perl: str = "perl") -> None:
        super().__init__([source])
        self.addStep(Configure(command=[perl, "Makefile.PL"]))
        self.addStep(Compile(command=["make"]))
        self.addStep(Test(command=["make", "test"]))


class Distutils(BuildFactory):
    """setup.py build, and a test command.

    :param source: the step that gets the source.
    :param python: the interpreter.
    :param test: the command that tests; None for no test.
    """

    def __init__(self, source: Any, python: str = "python", test: Any = None) -> None:
        super().__init__([source])
        self.addStep(Compile(command=[python, "./setup.py", "build"]))
        if test is not None:
            self.addStep(Test(command=test))
