"""An index of the builds that took longer than a day."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the index."""
    took_long = sa.text("complete_at - started_at > 86400")
    op.create_index(
        "builds_long",
        "builds",
        ["started_at"],
        unique=False,
        sqlite_where=took_long,
        postgresql_where=took_long,
    )
