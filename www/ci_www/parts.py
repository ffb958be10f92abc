"""What the web server is given by the master that it belongs to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.defer import Deferred

from ci_master.data.data import Data
from ci_master.events.bus import Bus


@dataclass
class WebParts:
    """The world as the web sees it.

    ``config`` is replaced by the new one when the configuration changes; so nobody keeps it.
    """

    data: Data
    bus: Bus
    clock: Any  # the reactor: IReactorTime, and what endpoints need to listen
    config: Any  # ci_master.config.model.Config: title, buildbotURL, www, ...
    in_thread: Callable[..., "Deferred[Any]"]
    #: The force schedulers there are now: each has ``name`` and ``as_json()``.
    force_schedulers: Callable[[], list[Any]] = list
    basedir: str = "."
    #: More dialects of change hooks than we bring: name -> class, see ci_www.hooks.dialects.
    change_hook_dialects: Mapping[str, Any] = field(default_factory=dict)

    @property
    def www(self) -> Mapping[str, Any]:
        """The key ``c['www']``."""
        www: Mapping[str, Any] = self.config.www
        return www
