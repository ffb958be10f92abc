"""``buildbot.config.error`` and ``ConfigErrors``, as checks written for Buildbot use them."""

from collections.abc import Iterable

from ci_common.faults import ConfigError, Fault
from ci_master.data.faults import configFault, is_collecting

__all__ = ["ConfigErrors", "error"]


class ConfigErrors(ConfigError):
    """Faults of a configuration, made of plain sentences.

    :ivar errors: the sentences.
    """

    def __init__(self, errors: Iterable[str] = ()) -> None:
        self.errors = list(errors)
        super().__init__(Fault("", text) for text in self.errors)


def error(text: str, always_raise: bool = False) -> None:
    """Report a fault of the configuration that is being loaded.

    :raises ConfigErrors: if none is being loaded, or if asked to.
    """
    if always_raise or not is_collecting():
        raise ConfigErrors([text])
    configFault(text)
