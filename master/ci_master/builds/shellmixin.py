"""Running programs on the worker."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from twisted.internet.defer import Deferred

from ci_common.aio import to_deferred
from ci_common.results import SUCCESS
from ci_master.builds.checks import (
    argument_names,
    check_param_bool,
    check_param_number_none,
    check_param_str_none,
)
from ci_master.builds.faults import configFault
from ci_master.builds.log import Log
from ci_master.builds.remotecommand import RemoteShellCommand
from ci_master.builds.rendering import is_renderable, render_now
from ci_master.builds.summaries import SummaryMixin, joined

_Check = Callable[[Any, str, str], None]

#: Which arguments are checked when the step is made, and how.
_CHECKS: dict[str, _Check] = {
    "workdir": check_param_str_none,
    "want_stdout": check_param_bool,
    "want_stderr": check_param_bool,
    "lazylogfiles": check_param_bool,
    "logEnviron": check_param_bool,
    "timeout": check_param_number_none,
    "maxTime": check_param_number_none,
    "max_lines": check_param_number_none,
    "sigtermTime": check_param_number_none,
    "interruptSignal": check_param_str_none,
}


class ShellMixin(SummaryMixin):
    """The arguments of a program, and a method that makes its remote command.

    Mix it in before BuildStep, and call ``setupShellMixin`` in the constructor.
    """

    command: Any = None
    env: Any = {}
    want_stdout: Any = True
    want_stderr: Any = True
    usePTY: Any = None
    logfiles: Any = {}
    lazylogfiles: Any = False
    timeout: Any = 1200
    maxTime: Any = None
    max_lines: Any = None
    logEnviron: Any = True
    interruptSignal: Any = "KILL"
    sigtermTime: Any = None
    initialStdin: Any = None
    decodeRC: Any = {0: SUCCESS}

    _shell_mixin_arguments = (
        "command",
        "workdir",
        "env",
        "want_stdout",
        "want_stderr",
        "usePTY",
        "logfiles",
        "lazylogfiles",
        "timeout",
        "maxTime",
        "max_lines",
        "sigtermTime",
        "logEnviron",
        "interruptSignal",
        "initialStdin",
        "decodeRC",
    )
    renderables: Any = _shell_mixin_arguments

    build: Any
    rendered: bool
    workdir: Any
    make_log: Callable[..., Log]
    open_log: Callable[[str], Log]
    #: what was run last, for steps without a command of their own
    _made_command: Any = None
    parms: Any

    def setupShellMixin(
        self, constructorArgs: Mapping[str, Any], prohibitArgs: Iterable[str] = ()
    ) -> dict[str, Any]:
        """Set the attributes from the constructor's arguments.

        :param prohibitArgs: arguments that this class does not take, because it sets them.
        :returns: the arguments that are left, for the constructor of BuildStep.
        """
        prohibited = frozenset(prohibitArgs)
        mine, base = self._shell_mixin_arguments, self.parms
        left: dict[str, Any] = {}
        for name, value in constructorArgs.items():
            if name in prohibited or (name not in mine and name not in base):
                self._invalid_argument(name, prohibited)
            elif name in mine:
                self._take_argument(name, value)
            else:
                left[name] = value
        return left

    def _take_argument(self, name: str, value: Any) -> None:
        check = _CHECKS.get(name)
        if check is not None:
            check(value, type(self).__name__, name)
        if name == "env" and not (
            value is None or isinstance(value, Mapping) or is_renderable(value)
        ):
            configFault(f"{type(self).__name__} argument env is {value!r}, but must be a dict")
            return
        if name == "logfiles" and not (isinstance(value, Mapping) or is_renderable(value)):
            configFault(f"{type(self).__name__} argument logfiles is {value!r}, but must be a dict")
            return
        setattr(self, name, value)

    def _invalid_argument(self, name: str, prohibited: frozenset[str]) -> None:
        own = argument_names(type(self))
        known = sorted({*self._shell_mixin_arguments, *self.parms, *own} - prohibited)
        near = get_close_matches(name, known, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"known arguments: {', '.join(known)}"
        configFault(f"invalid {type(self).__name__} argument {name}", hint)

    def makeRemoteShellCommand(
        self,
        collectStdout: bool = False,
        collectStderr: bool = False,
        stdioLogName: str | None = "stdio",
        **overrides: Any,
    ) -> Deferred[RemoteShellCommand]:
        """Make the command that the attributes describe, with its logs.

        :param stdioLogName: the log of its output; None for no log.
        :param overrides: attributes to be taken as these instead.
        """
        made = self._make_command(collectStdout, collectStderr, stdioLogName, overrides)
        return to_deferred(made)

    async def _make_command(
        self,
        collectStdout: bool,
        collectStderr: bool,
        stdioLogName: str | None,
        overrides: dict[str, Any],
    ) -> RemoteShellCommand:
        arguments = {name: getattr(self, name) for name in self._shell_mixin_arguments}
        for name, value in overrides.items():
            if name not in arguments:
                raise TypeError(f"makeRemoteShellCommand has no argument {name!r}")
            arguments[name] = value
        logfiles = arguments.pop("logfiles") or {}
        lazy = arguments.pop("lazylogfiles")
        arguments["command"] = self._made_command = flat_command(arguments["command"])
        outer = render_now(self.build.env_for_steps(), self.build.getProperties())
        if isinstance(outer, Deferred):
            outer = await outer
        arguments["env"] = {**outer, **(arguments["env"] or {})}
        command = RemoteShellCommand(
            **arguments,
            logfiles=logfiles,
            collectStdout=collectStdout,
            collectStderr=collectStderr,
            stdioLogName=stdioLogName,
        )
        if stdioLogName is not None:
            command.useLog(self.open_log(stdioLogName), False, stdioLogName)
        for name in logfiles:
            if lazy:
                command.useLogDelayed(name, self._maker_of(name), True)
            else:
                command.useLog(self.make_log(name), True, name)
        return command

    def _maker_of(self, name: str) -> Callable[[Any], Log]:
        return lambda command: self.make_log(name)

    def getResultSummary(self) -> Any:
        """``descriptionDone``, or else the first words of the command."""
        command = self.command or self._made_command
        if self.descriptionDone or not command or not self.rendered:
            return super().getResultSummary()
        words = flat_command(command)
        words = words.split() if isinstance(words, str) else [str(word) for word in words]
        if not words:
            return super().getResultSummary()
        text = " ".join(words[:2]) + (" ..." if len(words) > 2 else "")
        text = f"'{text}'"
        if joined(self.descriptionSuffix):
            text = f"{text} {joined(self.descriptionSuffix)}"
        return {"step": self._with_outcome(text, " (max lines)")}


def flat_command(command: Any) -> Any:
    """A command with its nested lists flattened; a string as it is."""
    if not isinstance(command, list | tuple):
        return command
    for word in command:
        if isinstance(word, list | tuple):
            break
    else:
        return list(command)
    flat: list[Any] = []
    for word in command:
        if isinstance(word, list | tuple):
            flat += flat_command(word)
        else:
            flat.append(word)
    return flat
