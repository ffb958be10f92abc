"""A change, under the name by which configurations import it."""

from ci_master.data.change import Change

__all__ = ["Change"]
