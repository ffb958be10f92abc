"""What a buildset was asked for, and which requests were collapsed into which."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add a table and a column. Of older buildsets and requests nothing is known."""
    op.create_table(
        "buildset_changes",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("buildsetid", sa.Integer(), nullable=False),
        sa.Column("changeid", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["buildsetid"], ["buildsets.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["changeid"], ["changes.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("buildsetid", "changeid", name="change_of_buildset"),
    )
    op.create_index(
        "buildsets_of_change", "buildset_changes", ["changeid", "buildsetid"], unique=False
    )
    op.add_column("buildrequests", sa.Column("collapsed_into", sa.Integer(), nullable=True))
    op.create_index(
        "buildrequests_collapsed",
        "buildrequests",
        ["collapsed_into"],
        unique=False,
        sqlite_where=sa.text("collapsed_into IS NOT NULL"),
        postgresql_where=sa.text("collapsed_into IS NOT NULL"),
    )
