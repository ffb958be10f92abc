"""What a secret provider is."""

from collections.abc import Callable
from typing import Any

from twisted.application.service import MultiService

from ci_common.faults import ConfigError, Fault

__all__ = ["SecretDetails", "SecretProviderBase"]


class SecretDetails:
    """A secret that was found: in which provider, under which name, and its value."""

    def __init__(self, source: str, key: str, value: str) -> None:
        self.source = source
        self.key = key
        self.value = value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SecretDetails):
            return NotImplemented
        mine = (self.source, self.key, self.value)
        return mine == (other.source, other.key, other.value)

    def __hash__(self) -> int:
        return hash((self.source, self.key, self.value))

    def __repr__(self) -> str:
        return f"SecretDetails({self.source!r}, {self.key!r}, ...)"  # never the value


def _call(function: Callable[..., Any], *args: Any) -> Any:
    return function(*args)


class SecretProviderBase(MultiService):
    """One place where secrets are kept. Subclasses override :meth:`get`.

    The constructor hands its arguments to ``checkConfig``, which raises ``ConfigError`` for
    what is wrong with them. ``reconfigService`` gets the same arguments before the first use.
    """

    #: Default of the ``name`` argument.
    name: Any = None
    #: The public facade of the running master.
    master: Any = None
    #: ``in_thread(function, *args)`` runs blocking work; may return a Deferred.
    in_thread: Callable[..., Any] = staticmethod(_call)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        MultiService.__init__(self)
        self.name = kwargs.pop("name", None) or self.name or type(self).__name__
        self.service_args = args
        self.service_kwargs = kwargs
        self.checkConfig(*args, **kwargs)

    def config_record(self) -> Any:
        """What a reload compares."""
        return self.name, self.service_args, self.service_kwargs

    def checkConfig(self, *args: Any, **kwargs: Any) -> Any:
        """Raise ``ConfigError`` for what is wrong with the arguments."""

    def reconfigService(self, *args: Any, **kwargs: Any) -> Any:
        """Take over the arguments. May return a Deferred or be a coroutine."""

    def get(self, entry: str) -> Any:
        """The value of a secret, None if it is not kept here; may be a Deferred or coroutine."""
        raise NotImplementedError

    def refuse(self, faults: list[tuple[str, str]]) -> None:
        """Raise ``ConfigError`` with all (what, hint) found, if any."""
        if faults:
            raise ConfigError(Fault("", f"{self.name}: {what}", hint) for what, hint in faults)
