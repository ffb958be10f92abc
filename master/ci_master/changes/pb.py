"""Changes sent by programs over Perspective Broker, as ``sendchange`` does."""

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.spread import pb

from ci_common.aio import to_deferred
from ci_master.changes.base import ChangeSource
from ci_master.data.arguments import BadArguments
from ci_master.data.changes import CHANGE
from ci_master.data.faults import configFault

__all__ = ["ChangePerspective", "PBChangeSource"]


def _text(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _texts(value: Any) -> Any:
    """A list or a dict with texts in place of bytes; anything else as it is."""
    if isinstance(value, list | tuple):
        return [_text(item) for item in value]
    if isinstance(value, Mapping):
        return {_text(key): _text(item) for key, item in value.items()}
    return value


class ChangePerspective(pb.Avatar):
    """What a client that logged in may do: add changes.

    :param prefix: files outside of it are not mentioned; it is cut off the others.
    """

    log = Logger()

    def __init__(self, source: "PBChangeSource", prefix: str | None) -> None:
        self._source = source
        self._prefix = prefix

    def perspective_addChange(self, changedict: Mapping[Any, Any]) -> Deferred[None]:
        """Add one change; the answer is sent when it is stored."""
        return to_deferred(self._add({_text(key): value for key, value in changedict.items()}))

    async def _add(self, sent: dict[str, Any]) -> None:
        fields = {
            name: _text(sent[name])
            for name in (
                "author",
                "committer",
                "comments",
                "revision",
                "branch",
                "category",
                "repository",
                "project",
                "codebase",
                "revlink",
                "src",
            )
            if sent.get(name) is not None
        }
        if "author" not in fields and sent.get("who") is not None:
            fields["author"] = _text(sent["who"])
        when = sent.get("when_timestamp")
        when = sent.get("when") if when is None else when
        if when is not None:
            fields["when_timestamp"] = when
        for name in ("repository", "project", "revlink"):
            fields.setdefault(name, "")
        fields["properties"] = _texts(sent.get("properties") or {})
        fields["files"] = _texts(sent.get("files") or [])
        try:
            checked = CHANGE.check(fields)
        except BadArguments as error:
            raise pb.Error(error.reason) from None
        if "when_timestamp" in checked:
            checked["when_timestamp"] = int(checked["when_timestamp"])
        checked["files"] = self._below_prefix(checked["files"])
        await self._source.add_change(**checked)

    def _below_prefix(self, files: list[str]) -> list[str]:
        prefix = self._prefix
        if not prefix:
            return files
        return [name[len(prefix) :] for name in files if name.startswith(prefix)]


class PBChangeSource(ChangeSource):
    """Takes changes that the command ``ci-master sendchange`` and its like send.

    :param user: the user name that clients give.
    :param passwd: the password that clients give; may be a ``Secret``.
    :type passwd: string or renderable
    :param port: where it listens; None shares the port of the workers.
    :type port: port number, Twisted endpoint or None
    :param prefix: only files whose names begin with this text are taken; the text is cut off
        their names.
    """

    def __init__(
        self,
        user: str = "change",
        passwd: Any = "changepw",
        port: int | str | None = None,
        prefix: str | None = None,
        name: str | None = None,
    ) -> None:
        if name is None:
            name = "PBChangeSource:" + ":".join(
                str(part) for part in (user, *(() if port is None else (port,)))
            )
        self._registration: Any = None
        self.user: str = user
        self.passwd: Any = passwd
        self.port = port
        self.prefix = prefix
        super().__init__(user=user, passwd=passwd, port=port, prefix=prefix, name=name)

    def checkConfig(
        self,
        user: str = "change",
        passwd: Any = "changepw",
        port: int | str | None = None,
        prefix: str | None = None,
    ) -> None:
        """Check the types."""
        if not isinstance(user, str) or not user:
            configFault(f"PBChangeSource: 'user' is {user!r}, but must be a user name")
        if isinstance(port, bool) or not isinstance(port, int | str | None):
            configFault(
                f"PBChangeSource: 'port' is {port!r}, but must be a port number or an endpoint",
                "for example port=9990 or port='tcp:9990:interface=127.0.0.1'",
            )
        if not isinstance(prefix, str | None):
            configFault(f"PBChangeSource: 'prefix' is {prefix!r}, but must be a string")

    async def reconfigService(
        self,
        user: str = "change",
        passwd: Any = "changepw",
        port: int | str | None = None,
        prefix: str | None = None,
    ) -> None:
        """Take over the arguments; a running source listens anew."""
        self.user, self.passwd, self.port, self.prefix = user, passwd, port, prefix
        if self.isActive():
            await self.deactivate()
            await self.activate()

    def describe(self) -> str:
        """One line for people."""
        port = self._port() if hasattr(self, "site") else self.port
        shown = f" on {port}" if port is not None else ""
        below = f" (prefix '{self.prefix}')" if self.prefix else ""
        return f"PB listener for changes{shown}, user '{self.user}'{below}"

    def getPerspective(self, mind: Any = None, username: Any = None) -> ChangePerspective:
        """What a client that logged in talks to."""
        return ChangePerspective(self, self.prefix)

    async def activate(self) -> None:
        """Let clients log in."""
        port = self._port()
        if port is None:
            self.log.error(
                "{source} hears nothing: it has no port, and c['protocols'] has no pb port",
                source=self.name,
            )
            return
        # A password that is a secret is rendered at each login.
        self._registration = self.site.pb.register(
            port, self.user, self.passwd, self.getPerspective
        )
        await self._registration.opened()

    async def deactivate(self) -> None:
        """Let no client log in any more."""
        registration, self._registration = self._registration, None
        if registration is not None:
            await registration.unregister()

    def ports_of(self, config: Any) -> list[str]:
        """The port of its own, or the one of the workers."""
        port = self.port
        if port is None:
            port = (config.protocols or {}).get("pb", {}).get("port")
        return [] if port is None else [str(port)]

    def _port(self) -> str | None:
        ports = self.ports_of(self.site.config)
        return ports[0] if ports else None
