"""The web server of a master. Imported only by masters that have one."""

from typing import TYPE_CHECKING, Any

from twisted.internet.threads import deferToThread

from ci_master.config.model import Config
from ci_www.parts import WebParts
from ci_www.server import WebServer

if TYPE_CHECKING:
    from ci_master.app.house import House


def www_settings(config: Config, log_rotation: Any) -> dict[str, Any]:
    """What a configuration says of the web server.

    :param log_rotation: of the tac file; the defaults for the access log.
    """
    www = dict(config.www)
    if www.get("logRotateLength") is None:
        www["logRotateLength"] = log_rotation.rotateLength
    if www.get("maxRotatedFiles") is None:
        www["maxRotatedFiles"] = log_rotation.maxRotatedFiles
    return www


def make_web_server(house: "House", config: Config) -> WebServer:
    """Put it together; it listens when it is configured."""
    parts = WebParts(
        data=house.data,
        bus=house.bus,
        clock=house.reactor,
        config=config,
        in_thread=deferToThread,
        force_schedulers=lambda: [
            scheduler
            for scheduler in house.schedulers.running.values()
            if hasattr(scheduler, "all_fields")
        ],
        basedir=house.basedir,
    )
    return WebServer(parts, house.listeners)
