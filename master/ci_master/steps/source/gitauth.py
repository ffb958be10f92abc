"""What Git needs to be let in: keys, known hosts and credentials, kept out of sight."""

import shlex
from typing import Any

from ci_master.builds.faults import configFault


class GitAccess:
    """Files with secrets that a Git step puts on the worker for its time, and removes again.

    :param sshPrivateKey: the text of the private key for ssh; usually a ``Secret``.
    :type sshPrivateKey: string, renderable or None
    :param sshHostKey: the public key of the server, such as ``ssh-ed25519 AAAA...``, without
        the name of the host.
    :type sshHostKey: string, renderable or None
    :param sshKnownHosts: the text of a ``known_hosts`` file; not together with ``sshHostKey``.
    :type sshKnownHosts: string, renderable or None
    :param auth_credentials: (user, password) for HTTP; either may be a ``Secret``.
    :type auth_credentials: pair or None
    :param port: port of the SSH server; 22 leaves it to the URL and to the worker's own
        configuration.
    :param git_credentials: not supported yet: any other value is a configuration fault.
    :type git_credentials: None
    """

    def __init__(
        self,
        sshPrivateKey: Any = None,
        sshHostKey: Any = None,
        sshKnownHosts: Any = None,
        auth_credentials: Any = None,
        port: int = 22,
        git_credentials: Any = None,
    ) -> None:
        if git_credentials is not None:
            configFault(
                "'git_credentials' of a Git step is not supported",
                "give auth_credentials=(user, password) instead",
            )
        if sshHostKey is not None and sshKnownHosts is not None:
            configFault("a Git step has both 'sshHostKey' and 'sshKnownHosts'", "give one")
        if sshPrivateKey is None and (sshHostKey is not None or sshKnownHosts is not None):
            configFault(
                "a Git step has host keys but no private key", "give 'sshPrivateKey' as well"
            )
        self.private_key = sshPrivateKey
        self.host_key = sshHostKey
        self.known_hosts = sshKnownHosts
        self.credentials = auth_credentials
        self.port = port
        self._directory: str | None = None

    @property
    def needed(self) -> bool:
        """Whether there is anything to put on the worker."""
        return self.private_key is not None or self.credentials is not None

    async def put(self, step: Any) -> None:
        """Write the files, in a directory beside the build's own."""
        if not self.needed:
            return
        paths = step.build.path_module
        # Beside the tree, so that no checkout or clean touches it.
        self._directory = f".{paths.basename(step.workdir.rstrip('/')) or 'build'}.git-access"
        await step.runMkdir(self._directory)
        render = step.build.render
        if self.private_key is not None:
            await self._write(step, "ssh-key", _ended(await render(self.private_key)), 0o400)
            known_hosts = None
            if self.known_hosts is not None:
                known_hosts = await render(self.known_hosts)
            elif self.host_key is not None:
                known_hosts = f"* {await render(self.host_key)}"
            if known_hosts is not None:
                await self._write(step, "ssh-known-hosts", _ended(known_hosts), 0o400)
        if self.credentials is not None:
            user, password = await render(self.credentials)
            script = (
                "#!/bin/sh\n"
                'case "$1" in\n'
                f"Username*) printf '%s\\n' {shlex.quote(user)} ;;\n"
                f"*) printf '%s\\n' {shlex.quote(password)} ;;\n"
                "esac\n"
            )
            await self._write(step, "askpass", script, 0o500)

    async def _write(self, step: Any, name: str, text: str, mode: int) -> None:
        await step.downloadFileContentToWorker(
            name, text, abandonOnFailure=True, mode=mode, workdir=self._directory
        )

    async def remove(self, step: Any) -> None:
        """Remove them."""
        directory, self._directory = self._directory, None
        if directory is not None:
            await step.runRmdir(directory, abandonOnFailure=False)

    def environment(self, step: Any) -> dict[str, str]:
        """What Git has to be told about the files."""
        if self._directory is None:
            return {}
        paths = step.build.path_module
        base = paths.join(step.build.getProperty("builddir"), self._directory)
        env = {"GIT_TERMINAL_PROMPT": "0"}
        if self.private_key is not None:
            ssh = ["ssh", "-i", paths.join(base, "ssh-key"), "-o", "IdentitiesOnly=yes"]
            ssh += ["-o", "BatchMode=yes"]
            if self.port != 22:
                ssh += ["-p", str(self.port)]
            if self.known_hosts is not None or self.host_key is not None:
                ssh += ["-o", f"UserKnownHostsFile={paths.join(base, 'ssh-known-hosts')}"]
            env["GIT_SSH_COMMAND"] = " ".join(shlex.quote(word) for word in ssh)
        if self.credentials is not None:
            env["GIT_ASKPASS"] = paths.join(base, "askpass")
        return env


def _ended(text: str) -> str:
    return text if text.endswith("\n") else f"{text}\n"
