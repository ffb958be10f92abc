"""What a step keeps of how its programs ended, and of the line that tells why it failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.logger import Logger

from ci_common.errorline import error_line, last_line
from ci_common.failures import killed_by, out_of_limit
from ci_common.numbers import MOST
from ci_common.results import EXCEPTION, FAILURE, SUCCESS

if TYPE_CHECKING:
    from ci_master.builds.buildstep import BuildStep
    from ci_master.builds.remotecommand import RemoteCommand

log = Logger()

#: Reason of a worker -> the argument that is the limit.
_LIMITS = {
    "timeout_without_output": "timeout",
    "timeout": "maxTime",
    "max_lines_failure": "max_lines",
}
#: Logs that tell of the step, but not of what failed in it.
_OTHER_LOGS = frozenset(["cancelled", "cancelled while waiting for locks", "property changes"])


def note_ending(step: Any, command: RemoteCommand) -> None:
    """Keep how a command of the step ended.

    Of several, the last one that failed counts; where none did, the last one.
    """
    failed = command.rc != 0 and command.results() != SUCCESS
    if step._failed_command and not failed:
        return
    step._failed_command = failed
    told = []
    if command.remote_failure_reason is not None:
        limit = command.args.get(_LIMITS.get(command.remote_failure_reason, ""))
        told.append(out_of_limit(command.remote_failure_reason, limit))
    if command.signal is not None:
        told.append(killed_by(command.signal))
    set_ending(step, command.rc, ", ".join(filter(None, told)))


def set_ending(step: Any, exit_code: Any, ending: str = "") -> None:
    """Keep an exit code, if it is one, and how the program was ended, if it was."""
    is_code = isinstance(exit_code, int) and not isinstance(exit_code, bool)
    step.exit_code = exit_code if is_code and abs(exit_code) <= MOST else None
    step.ending = ending


def keep_failure(step: BuildStep) -> None:
    """Put into the step's row how it ended and, if it failed, what its log says of that."""
    row = step.row
    row.exit_code, row.ending = step.exit_code, step.ending
    if step.results not in (FAILURE, EXCEPTION):
        return
    try:
        said = _error_line(step)
    except Exception:
        log.failure("the logs of step {name} could not be searched", name=step.name)
        return
    row.error_line = step.build.properties.cleanupTextFromSecrets(said)


def _error_line(step: BuildStep) -> str:
    if step.results == EXCEPTION and "err.text" in step.logs:
        return last_line(step.logs["err.text"].output_end())
    logs = [one for name, one in step.logs.items() if one.type != "h" and name not in _OTHER_LOGS]
    logs.sort(key=lambda one: one.type != "s")  # output of programs first
    return next(filter(None, (error_line(one.output_end()) for one in logs)), "")
