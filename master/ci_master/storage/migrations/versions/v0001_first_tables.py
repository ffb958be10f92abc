"""The tables of the first release."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create them all."""
    op.create_table(
        "buildsets",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("external_idstring", sa.String(length=256), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("scheduler", sa.String(length=256), nullable=True),
        sa.Column("submitted_at", sa.BigInteger(), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("complete_at", sa.BigInteger(), nullable=True),
        sa.Column("results", sa.SmallInteger(), nullable=True),
        sa.Column("parent_buildid", sa.Integer(), nullable=True),
        sa.Column("parent_relationship", sa.Text(), nullable=True),
        sa.Column("rebuilt_buildid", sa.Integer(), nullable=True),
        sa.Column("properties_json", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("buildsets_complete", "buildsets", ["complete", "id"], unique=False)
    op.create_index("buildsets_parent", "buildsets", ["parent_buildid"], unique=False)
    op.create_index("buildsets_submitted_at", "buildsets", ["submitted_at"], unique=False)
    op.create_table(
        "masters",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=512), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("last_active", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "object_state",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("object_name", sa.String(length=512), nullable=False),
        sa.Column("class_name", sa.String(length=128), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("value_json", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("object_name", "class_name", "key", name="state_of_object"),
    )
    op.create_table(
        "patches",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("subdir", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "projects",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("slug", sa.String(length=50), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("description_format", sa.Text(), nullable=True),
        sa.Column("description_html", sa.Text(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("identifier", sa.String(length=255), nullable=False),
        sa.Column("bb_username", sa.String(length=128), nullable=True),
        sa.Column("bb_password", sa.String(length=256), nullable=True),
        sa.Column("attributes_json", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("bb_username"),
        sa.UniqueConstraint("identifier"),
    )
    op.create_table(
        "workers",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=50), nullable=False),
        sa.Column("info_json", sa.Text(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("pause_reason", sa.Text(), nullable=True),
        sa.Column("graceful", sa.Boolean(), nullable=False),
        sa.Column("last_seen_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "builders",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("description_format", sa.Text(), nullable=True),
        sa.Column("description_html", sa.Text(), nullable=True),
        sa.Column("projectid", sa.Integer(), nullable=True),
        sa.Column("tags_json", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["projectid"], ["projects.id"], ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "changesources",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=512), nullable=False),
        sa.Column("masterid", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["masterid"], ["masters.id"], ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "codebases",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("projectid", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("slug", sa.String(length=50), nullable=False),
        sa.ForeignKeyConstraint(["projectid"], ["projects.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("projectid", "name", name="codebases_of_project"),
    )
    op.create_table(
        "connected_workers",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("masterid", sa.Integer(), nullable=False),
        sa.Column("workerid", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["masterid"], ["masters.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["workerid"], ["workers.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("workerid", "masterid", name="worker_on_master"),
    )
    op.create_table(
        "schedulers",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("masterid", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["masterid"], ["masters.id"], ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "sourcestamps",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.String(length=40), nullable=False),
        sa.Column("branch", sa.String(length=256), nullable=True),
        sa.Column("revision", sa.String(length=256), nullable=True),
        sa.Column("repository", sa.String(length=512), nullable=False),
        sa.Column("project", sa.String(length=512), nullable=False),
        sa.Column("codebase", sa.String(length=256), nullable=False),
        sa.Column("patchid", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["patchid"], ["patches.id"], ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("hash"),
    )
    op.create_index("sourcestamps_revision", "sourcestamps", ["revision"], unique=False)
    op.create_table(
        "worker_events",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("workerid", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["workerid"], ["workers.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("worker_events_at", "worker_events", ["at"], unique=False)
    op.create_index("worker_events_of_worker", "worker_events", ["workerid", "at"], unique=False)
    op.create_table(
        "builder_masters",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("builderid", sa.Integer(), nullable=False),
        sa.Column("masterid", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["builderid"], ["builders.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["masterid"], ["masters.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("builderid", "masterid", name="builder_on_master"),
    )
    op.create_table(
        "builder_summaries",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("summary_json", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["id"], ["builders.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "buildrequests",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("buildsetid", sa.Integer(), nullable=False),
        sa.Column("builderid", sa.Integer(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("submitted_at", sa.BigInteger(), nullable=False),
        sa.Column("waited_for", sa.Boolean(), nullable=False),
        sa.Column("claimed_at", sa.BigInteger(), nullable=True),
        sa.Column("claimed_by_masterid", sa.Integer(), nullable=True),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("complete_at", sa.BigInteger(), nullable=True),
        sa.Column("results", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(["builderid"], ["builders.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["buildsetid"], ["buildsets.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("buildrequests_complete", "buildrequests", ["complete", "id"], unique=False)
    op.create_index(
        "buildrequests_of_builder", "buildrequests", ["builderid", "complete", "id"], unique=False
    )
    op.create_index("buildrequests_of_buildset", "buildrequests", ["buildsetid"], unique=False)
    op.create_table(
        "buildset_sourcestamps",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("buildsetid", sa.Integer(), nullable=False),
        sa.Column("sourcestampid", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["buildsetid"], ["buildsets.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["sourcestampid"], ["sourcestamps.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("buildsetid", "sourcestampid", name="stamp_of_buildset"),
    )
    op.create_index(
        "buildsets_of_stamp", "buildset_sourcestamps", ["sourcestampid", "buildsetid"], unique=False
    )
    op.create_table(
        "changes",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("author", sa.String(length=255), nullable=False),
        sa.Column("committer", sa.String(length=255), nullable=True),
        sa.Column("comments", sa.Text(), nullable=False),
        sa.Column("branch", sa.String(length=255), nullable=True),
        sa.Column("revision", sa.String(length=255), nullable=True),
        sa.Column("revlink", sa.Text(), nullable=True),
        sa.Column("when_timestamp", sa.BigInteger(), nullable=False),
        sa.Column("category", sa.String(length=255), nullable=True),
        sa.Column("repository", sa.String(length=512), nullable=False),
        sa.Column("project", sa.String(length=512), nullable=False),
        sa.Column("codebase", sa.String(length=256), nullable=False),
        sa.Column("files_json", sa.Text(), nullable=False),
        sa.Column("properties_json", sa.Text(), nullable=False),
        sa.Column("sourcestampid", sa.Integer(), nullable=False),
        sa.Column("parent_changeid", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["sourcestampid"], ["sourcestamps.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("changes_branch", "changes", ["branch", "codebase", "id"], unique=False)
    op.create_index("changes_revision", "changes", ["revision"], unique=False)
    op.create_index("changes_sourcestamp", "changes", ["sourcestampid"], unique=False)
    op.create_index("changes_when", "changes", ["when_timestamp"], unique=False)
    op.create_table(
        "codebase_branches",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("codebaseid", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("commitid", sa.Integer(), nullable=True),
        sa.Column("last_timestamp", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["codebaseid"], ["codebases.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("codebaseid", "name", name="branches_of_codebase"),
    )
    op.create_table(
        "codebase_commits",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("codebaseid", sa.Integer(), nullable=False),
        sa.Column("author", sa.String(length=255), nullable=False),
        sa.Column("committer", sa.String(length=255), nullable=True),
        sa.Column("comments", sa.Text(), nullable=False),
        sa.Column("when_timestamp", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.String(length=70), nullable=False),
        sa.Column("parent_commitid", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["codebaseid"], ["codebases.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("codebaseid", "revision", name="commits_of_codebase"),
    )
    op.create_table(
        "configured_workers",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("builderid", sa.Integer(), nullable=False),
        sa.Column("masterid", sa.Integer(), nullable=False),
        sa.Column("workerid", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["builderid"], ["builders.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["masterid"], ["masters.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["workerid"], ["workers.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("workerid", "builderid", "masterid", name="worker_of_builder"),
    )
    op.create_table(
        "builds",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("builderid", sa.Integer(), nullable=False),
        sa.Column("buildrequestid", sa.Integer(), nullable=False),
        sa.Column("workerid", sa.Integer(), nullable=True),
        sa.Column("masterid", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("complete_at", sa.BigInteger(), nullable=True),
        sa.Column("locks_duration_s", sa.Integer(), nullable=False),
        sa.Column("state_string", sa.Text(), nullable=False),
        sa.Column("results", sa.SmallInteger(), nullable=True),
        sa.ForeignKeyConstraint(["builderid"], ["builders.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["buildrequestid"], ["buildrequests.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["masterid"], ["masters.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["workerid"], ["workers.id"], ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("builderid", "number", name="builds_of_builder"),
    )
    op.create_index("builds_complete_at", "builds", ["complete_at"], unique=False)
    op.create_index("builds_of_request", "builds", ["buildrequestid"], unique=False)
    op.create_index("builds_of_worker", "builds", ["workerid", "id"], unique=False)
    op.create_index("builds_started_at", "builds", ["started_at"], unique=False)
    op.create_table(
        "scheduler_changes",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("schedulerid", sa.Integer(), nullable=False),
        sa.Column("changeid", sa.Integer(), nullable=False),
        sa.Column("important", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["changeid"], ["changes.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["schedulerid"], ["schedulers.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("schedulerid", "changeid", name="change_of_scheduler"),
    )
    op.create_table(
        "build_data",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("buildid", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(length=256), nullable=False),
        sa.ForeignKeyConstraint(["buildid"], ["builds.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("buildid", "name", name="data_of_build"),
    )
    op.create_table(
        "build_properties",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("properties_json", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["id"], ["builds.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "steps",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("buildid", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=50), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("locks_acquired_at", sa.BigInteger(), nullable=True),
        sa.Column("complete_at", sa.BigInteger(), nullable=True),
        sa.Column("state_string", sa.Text(), nullable=False),
        sa.Column("results", sa.SmallInteger(), nullable=True),
        sa.Column("urls_json", sa.Text(), nullable=False),
        sa.Column("hidden", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["buildid"], ["builds.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("buildid", "number", name="steps_of_build"),
    )
    op.create_table(
        "logs",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("stepid", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("slug", sa.String(length=50), nullable=False),
        sa.Column("type", sa.String(length=1), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("num_lines", sa.Integer(), nullable=False),
        sa.Column("num_bytes", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["stepid"], ["steps.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("stepid", "slug", name="logs_of_step"),
    )
    op.create_table(
        "test_result_sets",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("builderid", sa.Integer(), nullable=False),
        sa.Column("buildid", sa.Integer(), nullable=False),
        sa.Column("stepid", sa.Integer(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("value_unit", sa.Text(), nullable=False),
        sa.Column("tests_passed", sa.Integer(), nullable=True),
        sa.Column("tests_failed", sa.Integer(), nullable=True),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["builderid"], ["builders.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["buildid"], ["builds.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["stepid"], ["steps.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("test_result_sets_of_build", "test_result_sets", ["buildid"], unique=False)
    op.create_index("test_result_sets_of_step", "test_result_sets", ["stepid"], unique=False)
    op.create_table(
        "logchunks",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("logid", sa.Integer(), nullable=False),
        sa.Column("first_line", sa.Integer(), nullable=False),
        sa.Column("line_count", sa.Integer(), nullable=False),
        sa.Column("num_bytes", sa.Integer(), nullable=False),
        sa.Column("runs_json", sa.Text(), nullable=False),
        sa.Column("compression", sa.SmallInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["logid"], ["logs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("logid", "first_line", name="chunks_of_log"),
    )
    op.create_table(
        "test_results",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("builderid", sa.Integer(), nullable=False),
        sa.Column("test_result_setid", sa.Integer(), nullable=False),
        sa.Column("test_name", sa.Text(), nullable=True),
        sa.Column("test_code_path", sa.Text(), nullable=True),
        sa.Column("line", sa.Integer(), nullable=True),
        sa.Column("duration_ns", sa.BigInteger(), nullable=True),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["builderid"], ["builders.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["test_result_setid"], ["test_result_sets.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("test_results_of_set", "test_results", ["test_result_setid"], unique=False)
