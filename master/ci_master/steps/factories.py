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
    """A factory that runs ``configure``, ``make all``, ``make check`` and ``make distcheck``.

    :param source: the step that gets the sources.
    :type source: step
    :param configure: the configure script; None leaves the step out.
    :type configure: string, list or None
    :param configureEnv: environment of all steps.
    :type configureEnv: dictionary or None
    :param configureFlags: arguments of the configure script.
    :type configureFlags: list or None
    :param reconf: run ``autoreconf -si`` first (True), or this command.
    :type reconf: True, list, string or None
    :param compile: the command that compiles; default ``make all``, None leaves the step out.
    :type compile: list, string or None
    :param test: the command that tests; default ``make check``, None leaves the step out.
    :type test: list, string or None
    :param distcheck: the command that tests the package; default ``make distcheck``, None
        leaves the step out.
    :type distcheck: list, string or None
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
    """A factory that runs ``perl Makefile.PL``, ``make`` and ``make test``.

    :param source: the step that gets the sources.
    :type source: step
    :param perl: the interpreter.
    """

    def __init__(self, source: Any, perl: str = "perl") -> None:
        super().__init__([source])
        self.addStep(Configure(command=[perl, "Makefile.PL"]))
        self.addStep(Compile(command=["make"]))
        self.addStep(Test(command=["make", "test"]))


class Distutils(BuildFactory):
    """A factory that runs ``setup.py build`` and a command that tests.

    :param source: the step that gets the sources.
    :type source: step
    :param python: the interpreter.
    :param test: the command that tests; None leaves the step out.
    :type test: list, string or None
    """

    def __init__(self, source: Any, python: str = "python", test: Any = None) -> None:
        super().__init__([source])
        self.addStep(Compile(command=[python, "./setup.py", "build"]))
        if test is not None:
            self.addStep(Test(command=test))
