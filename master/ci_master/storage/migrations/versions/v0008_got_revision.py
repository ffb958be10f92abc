"""The revisions that builds have built, where pages find them."""

import json

import sqlalchemy as sa
from alembic import op

from ci_common.revisions import got_revisions, to_text

revision = "0008"
down_revision = "0007"

#: Builds that are looked at together.
_SLICE = 1000


def upgrade() -> None:
    """Add the column, and fill it for the builds that there are."""
    op.add_column("builds", sa.Column("got_revision", sa.Text(), nullable=False, server_default=""))
    connection = op.get_bind()
    builds = sa.table("builds", sa.column("id"), sa.column("got_revision"))
    properties = sa.table("build_properties", sa.column("id"), sa.column("properties_json"))
    told = properties.c.properties_json.contains('"got_revision"', autoescape=True)
    query = sa.select(properties.c.id, properties.c.properties_json).where(told)
    after = 0
    while True:
        some = query.where(properties.c.id > after).order_by(properties.c.id).limit(_SLICE)
        rows = connection.execute(some).all()
        if not rows:
            return
        for build_id, text in rows:
            found = to_text(got_revisions(json.loads(text).get("got_revision", [None])[0]))
            if found:
                connection.execute(
                    sa.update(builds).where(builds.c.id == build_id).values(got_revision=found)
                )
        after = rows[-1][0]
