"""What tells why a step and a build failed."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the columns. Of what failed before, the text of its step is told."""
    op.add_column("steps", sa.Column("exit_code", sa.BigInteger(), nullable=True))
    for table, name in (("steps", "ending"), ("steps", "error_line"), ("builds", "failure")):
        op.add_column(table, sa.Column(name, sa.Text(), nullable=False, server_default=""))
    op.add_column("builds", sa.Column("failed_step", sa.Integer(), nullable=True))
