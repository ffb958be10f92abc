"""The tables.

All times are unix seconds (UTC), in 64 bits. Ids are handed out by the master from memory (see
:mod:`ci_master.storage.ids`), so no insert needs a round trip. Columns that end in ``_json``
hold JSON text. Result codes are those of :mod:`ci_common.results`; -1 in ``buildrequests`` and
NULL in ``builds`` and ``steps`` mean none yet.

An index of a part of the rows has its condition as ``sqlite_where``. On PostgreSQL it gets the
same when the tables are made: ``postgresql_where`` here would have every master keep SQLAlchemy's
support for PostgreSQL in memory, 2 MiB of it.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    UniqueConstraint,
    event,
    literal_column,
    text,
)

from ci_master.storage.texts import String, Text

metadata = MetaData()


@event.listens_for(metadata, "before_create")
def _keep_partial_indexes(target: MetaData, connection: Connection, **options: Any) -> None:
    """Have PostgreSQL index the same part of the rows as SQLite."""
    if connection.dialect.name == "postgresql":
        for table in target.tables.values():
            for index in table.indexes:
                where = index.dialect_kwargs.get("sqlite_where")
                if where is not None:
                    index.dialect_kwargs["postgresql_where"] = where


def _id() -> Column[int]:
    return Column("id", Integer, primary_key=True, autoincrement=False)


def _to(column: str, *, nullable: bool = False, ondelete: str = "CASCADE") -> Column[int]:
    """A reference named after the table it points to."""
    table, _, name = column.partition(">")
    return Column(name, Integer, ForeignKey(f"{table}.id", ondelete=ondelete), nullable=nullable)


masters = Table(
    "masters",
    metadata,
    _id(),
    Column("name", String(512), nullable=False, unique=True),  # "hostname:basedir"
    Column("active", Boolean, nullable=False),
    Column("last_active", BigInteger, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    _id(),
    Column("kind", String(32), nullable=False),
    Column("key", String(200), nullable=False),
    Column("epoch", Integer, nullable=False),  # grows each time that somebody else takes it
    Column("token", String(64), nullable=False),  # of the process that holds it; "": nobody
    Column("holder_json", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("renewed_at", BigInteger, nullable=False),
    UniqueConstraint("kind", "key", name="lease_of"),
)

projects = Table(
    "projects",
    metadata,
    _id(),
    Column("name", String(256), nullable=False, unique=True),
    Column("slug", String(50), nullable=False),
    Column("description", Text),
    Column("description_format", Text),
    Column("description_html", Text),
    Column("active", Boolean, nullable=False, default=True),
)

codebases = Table(
    "codebases",
    metadata,
    _id(),
    _to("projects>projectid"),
    Column("name", String(256), nullable=False),
    Column("slug", String(50), nullable=False),
    UniqueConstraint("projectid", "name", name="codebases_of_project"),
)

codebase_commits = Table(
    "codebase_commits",
    metadata,
    _id(),
    _to("codebases>codebaseid"),
    Column("author", String(255), nullable=False),
    Column("committer", String(255)),
    Column("comments", Text, nullable=False),
    Column("when_timestamp", BigInteger, nullable=False),
    Column("revision", String(70), nullable=False),
    Column("parent_commitid", Integer),
    UniqueConstraint("codebaseid", "revision", name="commits_of_codebase"),
)

codebase_branches = Table(
    "codebase_branches",
    metadata,
    _id(),
    _to("codebases>codebaseid"),
    Column("name", String(255), nullable=False),
    Column("commitid", Integer),
    Column("last_timestamp", BigInteger, nullable=False),
    UniqueConstraint("codebaseid", "name", name="branches_of_codebase"),
)

builders = Table(
    "builders",
    metadata,
    _id(),
    Column("name", String(256), nullable=False, unique=True),
    Column("description", Text),
    Column("description_format", Text),
    Column("description_html", Text),
    _to("projects>projectid", nullable=True, ondelete="SET NULL"),
    Column("tags_json", Text, nullable=False, default="[]"),
)

# What pages show of a builder without looking at its builds: written when a build ends.
builder_summaries = Table(
    "builder_summaries",
    metadata,
    Column(
        "id",  # the builder's
        Integer,
        ForeignKey("builders.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("summary_json", Text, nullable=False),
)

builder_masters = Table(
    "builder_masters",
    metadata,
    _id(),
    _to("builders>builderid"),
    _to("masters>masterid"),
    UniqueConstraint("builderid", "masterid", name="builder_on_master"),
)

workers = Table(
    "workers",
    metadata,
    _id(),
    Column("name", String(50), nullable=False, unique=True),
    Column("info_json", Text, nullable=False, default="{}"),
    Column("paused", Boolean, nullable=False, default=False),
    Column("pause_reason", Text),
    Column("graceful", Boolean, nullable=False, default=False),
    Column("last_seen_at", BigInteger),
)

configured_workers = Table(
    "configured_workers",
    metadata,
    _id(),
    _to("builders>builderid"),
    _to("masters>masterid"),
    _to("workers>workerid"),
    UniqueConstraint("workerid", "builderid", "masterid", name="worker_of_builder"),
)

connected_workers = Table(
    "connected_workers",
    metadata,
    _id(),
    _to("masters>masterid"),
    _to("workers>workerid"),
    UniqueConstraint("workerid", "masterid", name="worker_on_master"),
)

# When a worker came, went, was paused and so on: what the waterfall's bands are made of.
worker_events = Table(
    "worker_events",
    metadata,
    _id(),
    _to("workers>workerid"),
    Column("at", BigInteger, nullable=False),
    # connected, disconnected, paused, unpaused, graceful, ungraceful, quarantined, released
    Column("kind", String(16), nullable=False),
    Column("reason", Text),
    Index("worker_events_of_worker", "workerid", "at"),
    Index("worker_events_at", "at"),
)

changesources = Table(
    "changesources",
    metadata,
    _id(),
    Column("name", String(512), nullable=False, unique=True),
    Column("masterid", Integer, ForeignKey("masters.id", ondelete="SET NULL")),
)

schedulers = Table(
    "schedulers",
    metadata,
    _id(),
    Column("name", String(256), nullable=False, unique=True),
    Column("enabled", Boolean, nullable=False, default=True),
    Column("masterid", Integer, ForeignKey("masters.id", ondelete="SET NULL")),
)

# What a service remembers between runs, by its name and class.
object_state = Table(
    "object_state",
    metadata,
    _id(),
    Column("object_name", String(512), nullable=False),
    Column("class_name", String(128), nullable=False),
    Column("key", String(255), nullable=False),
    Column("value_json", Text, nullable=False),
    UniqueConstraint("object_name", "class_name", "key", name="state_of_object"),
)

users = Table(
    "users",
    metadata,
    _id(),
    Column("identifier", String(255), nullable=False, unique=True),
    Column("bb_username", String(128), unique=True),
    Column("bb_password", String(256)),
    Column("attributes_json", Text, nullable=False, default="{}"),
)

patches = Table(
    "patches",
    metadata,
    _id(),
    Column("level", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("author", Text, nullable=False),
    Column("comment", Text, nullable=False),
    Column("subdir", Text),
)

sourcestamps = Table(
    "sourcestamps",
    metadata,
    _id(),
    # of branch, revision, repository, project, codebase, patchid: equal stamps share a row
    Column("hash", String(40), nullable=False, unique=True),
    Column("branch", String(256)),
    Column("revision", String(256)),
    Column("repository", String(512), nullable=False, default=""),
    Column("project", String(512), nullable=False, default=""),
    Column("codebase", String(256), nullable=False, default=""),
    Column("patchid", Integer, ForeignKey("patches.id", ondelete="SET NULL")),
    Column("created_at", BigInteger, nullable=False),
    Index("sourcestamps_revision", "revision"),
)

changes = Table(
    "changes",
    metadata,
    _id(),
    Column("author", String(255), nullable=False),
    Column("committer", String(255)),
    Column("comments", Text, nullable=False),
    Column("branch", String(255)),
    Column("revision", String(255)),
    Column("revlink", Text),
    Column("when_timestamp", BigInteger, nullable=False),
    Column("category", String(255)),
    Column("repository", String(512), nullable=False, default=""),
    Column("project", String(512), nullable=False, default=""),
    Column("codebase", String(256), nullable=False, default=""),
    Column("files_json", Text, nullable=False, default="[]"),
    Column("properties_json", Text, nullable=False, default="{}"),  # name -> [value, source]
    _to("sourcestamps>sourcestampid"),
    Column("parent_changeid", Integer),
    Index("changes_when", "when_timestamp"),
    Index("changes_revision", "revision"),
    Index("changes_branch", "branch", "codebase", "id"),
    Index("changes_sourcestamp", "sourcestampid"),
)

# Changes that a scheduler has seen and not yet built.
scheduler_changes = Table(
    "scheduler_changes",
    metadata,
    _id(),
    _to("schedulers>schedulerid"),
    _to("changes>changeid"),
    Column("important", Boolean, nullable=False),
    UniqueConstraint("schedulerid", "changeid", name="change_of_scheduler"),
)

buildsets = Table(
    "buildsets",
    metadata,
    _id(),
    Column("external_idstring", String(256)),
    Column("reason", Text, nullable=False, default=""),
    Column("scheduler", String(256)),
    Column("submitted_at", BigInteger, nullable=False),
    Column("complete", Boolean, nullable=False, default=False),
    Column("complete_at", BigInteger),
    Column("results", SmallInteger),
    Column("parent_buildid", Integer),
    Column("parent_relationship", Text),
    Column("rebuilt_buildid", Integer),
    Column("properties_json", Text, nullable=False, default="{}"),  # name -> [value, source]
    Index("buildsets_complete", "complete", "id"),
    Index("buildsets_submitted_at", "submitted_at"),
    Index("buildsets_parent", "parent_buildid"),
)

buildset_sourcestamps = Table(
    "buildset_sourcestamps",
    metadata,
    _id(),
    _to("buildsets>buildsetid"),
    _to("sourcestamps>sourcestampid"),
    UniqueConstraint("buildsetid", "sourcestampid", name="stamp_of_buildset"),
    Index("buildsets_of_stamp", "sourcestampid", "buildsetid"),
)

# The changes that a buildset was asked for, where it was asked for because of changes.
buildset_changes = Table(
    "buildset_changes",
    metadata,
    _id(),
    _to("buildsets>buildsetid"),
    _to("changes>changeid"),
    UniqueConstraint("buildsetid", "changeid", name="change_of_buildset"),
    Index("buildsets_of_change", "changeid", "buildsetid"),
)

buildrequests = Table(
    "buildrequests",
    metadata,
    _id(),
    _to("buildsets>buildsetid"),
    _to("builders>builderid"),
    Column("priority", Integer, nullable=False, default=0),
    Column("submitted_at", BigInteger, nullable=False),
    Column("waited_for", Boolean, nullable=False, default=False),
    Column("claimed_at", BigInteger),
    Column("claimed_by_masterid", Integer),
    Column("complete", Boolean, nullable=False, default=False),
    Column("complete_at", BigInteger),
    Column("results", SmallInteger, nullable=False, default=-1),
    # the request that did its work as well, if it was collapsed
    Column("collapsed_into", Integer),
    Index(
        "buildrequests_collapsed",
        "collapsed_into",
        sqlite_where=text("collapsed_into IS NOT NULL"),
    ),
    Index("buildrequests_complete", "complete", "id"),
    Index("buildrequests_of_builder", "builderid", "complete", "id"),
    Index("buildrequests_of_buildset", "buildsetid"),
)

builds = Table(
    "builds",
    metadata,
    _id(),
    Column("number", Integer, nullable=False),
    _to("builders>builderid"),
    _to("buildrequests>buildrequestid"),
    _to("workers>workerid", nullable=True, ondelete="SET NULL"),
    _to("masters>masterid"),
    Column("started_at", BigInteger, nullable=False),
    Column("complete_at", BigInteger),
    Column("locks_duration_s", Integer, nullable=False, default=0),
    Column("state_string", Text, nullable=False, default=""),
    Column("results", SmallInteger),
    # What failed, in one line (ci_common.failures), and the number of the step that did.
    Column("failure", Text, nullable=False, default="", server_default=""),
    Column("failed_step", Integer),
    # What it has built, by codebase: see ci_common.revisions.
    Column("got_revision", Text, nullable=False, default="", server_default=""),
    UniqueConstraint("builderid", "number", name="builds_of_builder"),
    Index("builds_of_request", "buildrequestid"),
    Index("builds_of_worker", "workerid", "id"),
    Index("builds_started_at", "started_at"),
    Index("builds_complete_at", "complete_at"),
)

#: The few builds that took longer than this have an index of their own: what ran in a range of
#: time is found without reading all builds that began before it.
LONG_BUILD_S = 24 * 3600
#: Written as in the index, so that SQLite uses it.
IS_LONG_BUILD = builds.c.complete_at - builds.c.started_at > literal_column(str(LONG_BUILD_S))
Index(
    "builds_long",
    builds.c.started_at,
    sqlite_where=IS_LONG_BUILD,
)

build_properties = Table(
    "build_properties",
    metadata,
    Column(
        "id",  # the build's
        Integer,
        ForeignKey("builds.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("properties_json", Text, nullable=False),  # name -> [value, source]
)

# What people did to builds and build requests. Those of workers are worker_events.
acts = Table(
    "acts",
    metadata,
    _id(),
    Column("at", BigInteger, nullable=False),
    Column("kind", String(32), nullable=False),  # builds, buildrequests
    Column("thing", Integer, nullable=False),  # its id
    Column("method", String(32), nullable=False),  # stop, rebuild, cancel, set_priority
    Column("owner", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Index("acts_of_thing", "kind", "thing"),
)

build_data = Table(
    "build_data",
    metadata,
    _id(),
    _to("builds>buildid"),
    Column("name", String(256), nullable=False),
    Column("value", LargeBinary, nullable=False),
    Column("length", Integer, nullable=False),
    Column("source", String(256), nullable=False),
    UniqueConstraint("buildid", "name", name="data_of_build"),
)

steps = Table(
    "steps",
    metadata,
    _id(),
    _to("builds>buildid"),
    Column("number", Integer, nullable=False),
    Column("name", String(50), nullable=False),
    Column("started_at", BigInteger),
    Column("locks_acquired_at", BigInteger),
    Column("complete_at", BigInteger),
    Column("state_string", Text, nullable=False, default=""),
    Column("results", SmallInteger),
    Column("urls_json", Text, nullable=False, default="[]"),
    Column("hidden", Boolean, nullable=False, default=False),
    # Of the last program that failed, or else of the last one; see ci_common.failures.
    Column("exit_code", BigInteger),
    Column("ending", Text, nullable=False, default="", server_default=""),
    Column("error_line", Text, nullable=False, default="", server_default=""),
    UniqueConstraint("buildid", "number", name="steps_of_build"),
)

logs = Table(
    "logs",
    metadata,
    _id(),
    _to("steps>stepid"),
    Column("name", Text, nullable=False),
    Column("slug", String(50), nullable=False),
    Column("type", String(1), nullable=False),  # s stream, t text, h HTML, d removed
    Column("complete", Boolean, nullable=False, default=False),
    Column("num_lines", Integer, nullable=False, default=0),
    Column("num_bytes", BigInteger, nullable=False, default=0),  # as printed, uncompressed
    UniqueConstraint("stepid", "slug", name="logs_of_step"),
)

# Whole lines of a log. See ci_master.storage.logchunks for what is in them.
logchunks = Table(
    "logchunks",
    metadata,
    _id(),
    _to("logs>logid"),
    Column("first_line", Integer, nullable=False),
    Column("line_count", Integer, nullable=False),
    Column("num_bytes", Integer, nullable=False),  # uncompressed
    Column("runs_json", Text, nullable=False),  # [[stream letter, lines, bytes], ...]
    Column("compression", SmallInteger, nullable=False),
    Column("content", LargeBinary, nullable=False),
    UniqueConstraint("logid", "first_line", name="chunks_of_log"),
)

test_result_sets = Table(
    "test_result_sets",
    metadata,
    _id(),
    _to("builders>builderid"),
    _to("builds>buildid"),
    _to("steps>stepid"),
    Column("description", Text),
    Column("category", Text, nullable=False),
    Column("value_unit", Text, nullable=False),
    Column("tests_passed", Integer),
    Column("tests_failed", Integer),
    Column("complete", Boolean, nullable=False, default=False),
    Index("test_result_sets_of_build", "buildid"),
    Index("test_result_sets_of_step", "stepid"),
)

test_results = Table(
    "test_results",
    metadata,
    _id(),
    _to("builders>builderid"),
    _to("test_result_sets>test_result_setid"),
    Column("test_name", Text),
    Column("test_code_path", Text),
    Column("line", Integer),
    Column("duration_ns", BigInteger),
    Column("value", Text, nullable=False),
    Index("test_results_of_set", "test_result_setid"),
)

# Events that reporters have still to tell. The newest row stays, so that no id is used again.
outbox = Table(
    "outbox",
    metadata,
    _id(),
    Column("key", String(255), nullable=False),  # parts joined by "/"
    Column("at", BigInteger, nullable=False),
    Column("message_json", Text, nullable=False),
)

# How far each reporter has come.
reporters = Table(
    "reporters",
    metadata,
    _id(),
    Column("name", String(512), nullable=False, unique=True),
    Column("destination", String(64), nullable=False),  # a hash
    Column("wanted_json", Text, nullable=False, default="[]"),  # [[first, last part of keys], ...]
    Column("cursor", Integer, nullable=False),  # it has looked at all events up to it
    Column(
        "pending_json", Text, nullable=False, default="[]"
    ),  # ids of those that it has still to tell
    Column("left_at", BigInteger),  # since when it is not configured
    Column("absences_json", Text, nullable=False, default="[]"),  # [[first, last id, since], ...]
)

#: The migration that brings a database to these tables.
SCHEMA_VERSION = "0008"
