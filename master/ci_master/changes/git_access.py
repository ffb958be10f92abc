"""Keys and passwords for git, as files that exist only while it needs them."""

import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

__all__ = ["GitAccess", "GitKeys"]


@dataclass(frozen=True)
class GitKeys:
    """What a remote repository asks for, with all secrets filled in.

    :ivar ssh_host_key: key of the server ("ssh-ed25519 AAAA...").
    :ivar ssh_known_hosts: content of a whole known_hosts file.
    :ivar credentials: texts of ``key=value`` lines as ``git credential`` takes them.
    """

    ssh_private_key: str | None = None
    ssh_host_key: str | None = None
    ssh_known_hosts: str | None = None
    credentials: Sequence[str] = ()
    use_http_path: bool | None = None

    def __bool__(self) -> bool:
        return self.ssh_private_key is not None or bool(self.credentials)


@dataclass
class GitAccess:
    """Settings and variables of git that give access."""

    config: list[str] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    directory: str | None = None

    @classmethod
    def prepare(cls, keys: GitKeys) -> "GitAccess":
        """Write the files. It blocks: call it in a thread; and :meth:`remove` afterwards."""
        access = cls()
        if not keys:
            return access
        access.directory = tempfile.mkdtemp(prefix="git-access-")  # nobody else may look into it
        if keys.ssh_private_key is not None:
            access._prepare_ssh(keys)
        if keys.credentials:
            lines = [_store_line(text) for text in keys.credentials]
            path = access._write("credentials", "".join(f"{line}\n" for line in lines))
            access.config += ["credential.helper=", f"credential.helper=store --file={path}"]
            if keys.use_http_path is not None:
                access.config.append(f"credential.useHttpPath={str(keys.use_http_path).lower()}")
        return access

    def remove(self) -> None:
        """Delete the files."""
        if self.directory is not None:
            shutil.rmtree(self.directory, ignore_errors=True)

    def _prepare_ssh(self, keys: GitKeys) -> None:
        key = keys.ssh_private_key or ""
        path = self._write("key", key if key.endswith("\n") else key + "\n")
        command = ["ssh", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-i", path]
        hosts = keys.ssh_known_hosts
        if keys.ssh_host_key is not None:
            hosts = f"* {keys.ssh_host_key.strip()}\n"
        if hosts is not None:
            path = self._write("known_hosts", hosts if hosts.endswith("\n") else hosts + "\n")
            command += ["-o", f"UserKnownHostsFile={path}", "-o", "StrictHostKeyChecking=yes"]
        self.env["GIT_SSH_COMMAND"] = " ".join(f'"{word}"' for word in command)

    def _write(self, name: str, content: str) -> str:
        assert self.directory is not None
        path = os.path.join(self.directory, name)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(content)
        return path


def _store_line(text: str) -> str:
    """A line of git's credential store for the ``key=value`` lines of a credential."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        key, separator, value = line.partition("=")
        if separator:
            values[key.strip()] = value
    url = urlsplit(values.get("url", ""))
    protocol = values.get("protocol") or url.scheme or "https"
    host = values.get("host") or url.netloc.rpartition("@")[2]
    path = values.get("path") or url.path.lstrip("/")
    user = quote(values.get("username") or url.username or "", safe="")
    password = quote(values.get("password") or url.password or "", safe="")
    return f"{protocol}://{user}:{password}@{host}" + (f"/{quote(path)}" if path else "")
