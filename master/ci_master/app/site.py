"""What running services may use of the master."""

from typing import TYPE_CHECKING

from twisted.internet.threads import deferToThread

from ci_master.config.model import Config
from ci_master.data.service import Site

if TYPE_CHECKING:
    from ci_master.app.house import House


def make_site(house: "House", config: Config) -> Site:
    """The site of this master's services."""
    return Site(
        data=house.data,
        bus=house.bus,
        clock=house.reactor,
        store=house.store,
        master=house.facade,
        in_thread=deferToThread,
        render=house.render,
        pb=house.pb,
        basedir=house.basedir,
        config=config,
        records=house.records,
    )
