"""Troubles that a database can have, made to order."""

from sqlalchemy.exc import OperationalError


def lost_connection() -> OperationalError:
    """What SQLAlchemy raises when the server, or the way to it, is gone."""
    return OperationalError("x", {}, Exception("gone"), connection_invalidated=True)
