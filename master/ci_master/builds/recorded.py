"""How configured objects are compared: see :mod:`ci_master.data.recorded`."""

from ci_master.data.recorded import ComparableMixin, Recorded, accumulated, record_of, same

__all__ = ["ComparableMixin", "Recorded", "accumulated", "record_of", "same"]
