"""Running Git on the worker, for all steps that do."""

from typing import Any

from ci_master.builds.remotecommand import RemoteShellCommand


class GitCommands:
    """Mixed into steps that have ``run_program``; ``config`` is passed to each command."""

    build: Any
    config: dict[str, str] | None
    run_program: Any

    def stay_inside(self) -> dict[str, str]:
        """Environment that keeps Git within the builder's directory.

        Where a clone is damaged, Git would look for one in the directories above: and clean and
        overwrite the repository that happens to surround the worker's directory.
        """
        return {"GIT_CEILING_DIRECTORIES": self.build.getProperty("builddir")}

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
