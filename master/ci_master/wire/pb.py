"""Perspective Broker: the names that other rooms use."""

from ci_master.wire.ports import PBPorts, Registration
from ci_master.wire.session import PBSession

__all__ = ["PBPorts", "PBSession", "Registration"]
