"""Faults of a configuration, for what is made in one: see :mod:`ci_master.data.faults`."""

from ci_master.data.faults import (
    adopt_faults,
    collecting_faults,
    configFault,
    here,
    is_collecting,
    place,
)

__all__ = ["adopt_faults", "collecting_faults", "configFault", "here", "is_collecting", "place"]
