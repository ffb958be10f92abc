"""Running Git on the worker, for all steps that do."""

from typing import Any

from ci_master.builds.remotecommand import RemoteShellCommand


class GitCommands:
    """Mixed into steps that have ``run_program``; ``config`` is passed to each command."""

    config: dict[str, str] | None
    run_program: Any

    async def git(
        self, args: list[str], *, collect: bool = False, abandon: bool = True
    ) -> RemoteShellCommand:
        """Run Git in the tree.

        :param collect: keep standard output, for ``command.stdout``.
        :param abandon: raise BuildStepFailed if it fails.
        """
        command: list[Any] = ["git"]
        for key, value in (self.config or {}).items():
            command += ["-c", f"{key}={value}"]
        ran: RemoteShellCommand = await self.run_program(
            [*command, *args], collect=collect, abandon=abandon
        )
        return ran
