"""Fill the database of a stopped master with finished builds, for benchmarks.

usage: populate.py MASTER_DIRECTORY BUILDS BUILDERS

The master has run once with the wanted builders, so that they, the master and the worker have
their rows. Each build has three steps with a log, eight properties and a source stamp that it
shares with twenty others; 200 requests wait. SQLite only.
"""

import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Connection, Table, insert, select, text

from ci_master.data.model import BuilderSummary
from ci_master.storage import schema
from ci_master.storage.engine import database_url, one_off_engine

STEPS_PER_BUILD = 3
WAITING_REQUESTS = 200
ROWS_AT_ONCE = 20_000

Row = dict[str, Any]


def sha1(words: str) -> str:
    """A hash in hexadecimal digits."""
    return hashlib.sha1(words.encode(), usedforsecurity=False).hexdigest()


class History:
    """The rows to be written."""

    def __init__(self, tx: Connection, builds: int, builders: int) -> None:
        self.builds = builds
        ids = tx.execute(select(schema.builders.c.id).order_by(schema.builders.c.id)).scalars()
        self.builders = list(ids)[:builders]
        self.master = tx.execute(select(schema.masters.c.id)).scalars().first()
        self.worker = tx.execute(select(schema.workers.c.id)).scalars().first()
        self.began = int(time.time()) - 60 * builds
        self.stamps = max(1, builds // 20)
        self.requests = builds + WAITING_REQUESTS

    def started(self, build: int) -> int:
        """When a build began, in unix seconds."""
        return self.began + 60 * build

    def builder(self, build: int) -> int:
        """Id of a build's builder."""
        return int(self.builders[build % len(self.builders)])

    def number(self, build: int) -> int:
        """A build's number at its builder."""
        return 1 + build // len(self.builders)

    def sourcestamps(self) -> Iterator[Row]:
        """One for twenty builds."""
        for i in range(1, self.stamps + 1):
            revision = sha1(f"revision {i}")
            where = {"repository": "https://example.org/r.git", "project": "p", "codebase": ""}
            yield {
                "id": i,
                "hash": sha1(f"stamp {i}"),
                "branch": "main",
                "revision": revision,
                **where,
                "patchid": None,
                "created_at": self.began + 1200 * i,
            }

    def buildsets(self) -> Iterator[Row]:
        """One for each request."""
        for i in range(1, self.requests + 1):
            done = i <= self.builds
            yield {
                "id": i,
                "reason": "scheduler",
                "submitted_at": self.started(i),
                "complete": done,
                "complete_at": self.started(i) + 50 if done else None,
                "results": 0 if done else None,
                "properties_json": "{}",
            }

    def buildset_sourcestamps(self) -> Iterator[Row]:
        """Their source stamps."""
        for i in range(1, self.requests + 1):
            yield {"id": i, "buildsetid": i, "sourcestampid": 1 + i % self.stamps}

    def buildrequests(self) -> Iterator[Row]:
        """One for each build, and those that wait."""
        for i in range(1, self.requests + 1):
            done = i <= self.builds
            yield {
                "id": i,
                "buildsetid": i,
                "builderid": self.builder(i),
                "priority": 0,
                "submitted_at": self.started(i),
                "waited_for": False,
                "claimed_at": self.started(i) if done else None,
                "claimed_by_masterid": self.master if done else None,
                "complete": done,
                "complete_at": self.started(i) + 50 if done else None,
                "results": 0 if done else -1,
            }

    def build_rows(self) -> Iterator[Row]:
        """The builds."""
        for i in range(1, self.builds + 1):
            yield {
                "id": i,
                "number": self.number(i),
                "builderid": self.builder(i),
                "buildrequestid": i,
                "workerid": self.worker,
                "masterid": self.master,
                "started_at": self.started(i),
                "complete_at": self.started(i) + 50,
                "locks_duration_s": 0,
                "state_string": "build successful",
                "results": 0,
            }

    def build_properties(self) -> Iterator[Row]:
        """Eight of each build."""
        for i in range(1, self.builds + 1):
            properties = {
                "owner": ["someone@example.org", "Force Build Form"],
                "reason": ["because", "Force Build Form"],
                "scheduler": ["force", "Scheduler"],
                "buildnumber": [self.number(i), "Build"],
                "branch": ["main", "Build"],
                "revision": [sha1(f"revision {1 + i % self.stamps}"), "Build"],
                "workername": ["worker0", "Worker"],
                "builddir": ["/srv/worker/builder", "Worker"],
            }
            yield {"id": i, "properties_json": json.dumps(properties)}

    def steps(self) -> Iterator[Row]:
        """Three of each build."""
        for i in range(1, self.builds + 1):
            for number in range(STEPS_PER_BUILD):
                yield {
                    "id": (i - 1) * STEPS_PER_BUILD + number + 1,
                    "buildid": i,
                    "number": number,
                    "name": f"step{number}",
                    "started_at": self.started(i),
                    "locks_acquired_at": self.started(i),
                    "complete_at": self.started(i) + 10,
                    "state_string": "finished",
                    "results": 0,
                    "urls_json": "[]",
                    "hidden": False,
                }

    def logs(self) -> Iterator[Row]:
        """One of each step, empty."""
        for i in range(1, self.builds * STEPS_PER_BUILD + 1):
            yield {
                "id": i,
                "stepid": i,
                "name": "stdio",
                "slug": "stdio",
                "type": "s",
                "complete": True,
                "num_lines": 0,
                "num_bytes": 0,
            }

    def summaries(self) -> Iterator[Row]:
        """What the pages show of each builder."""
        for place, builder in enumerate(self.builders):
            mine = [i for i in range(max(1, self.builds - 2000), self.builds + 1)
                    if i % len(self.builders) == place][-15:]  # fmt: skip
            if not mine:
                continue
            last = mine[-1]
            latest = {
                "buildid": last,
                "number": self.number(last),
                "builderid": builder,
                "buildrequestid": last,
                "workerid": self.worker,
                "masterid": self.master,
                "started_at": self.started(last),
                "complete": True,
                "complete_at": self.started(last) + 50,
                "locks_duration_s": 0,
                "state_string": "build successful",
                "results": 0,
                "properties": {},
            }
            recent = [(self.number(i), 0) for i in reversed(mine)]
            summary = BuilderSummary(
                latest, recent, 0, self.number(last), 1, self.started(last) + 50, [50] * 10
            )
            yield {"id": builder, "summary_json": summary.to_text()}


def main(directory: str, builds: int, builders: int) -> None:
    """Write them all."""
    engine = one_off_engine(database_url("sqlite:///state.sqlite", directory))
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        driver.execute("PRAGMA synchronous=OFF")
        driver.execute("PRAGMA foreign_keys=OFF")
        with connection.begin():
            history = History(connection, builds, builders)
            tables: list[tuple[Table, Callable[[], Iterator[Row]]]] = [
                (schema.sourcestamps, history.sourcestamps),
                (schema.buildsets, history.buildsets),
                (schema.buildset_sourcestamps, history.buildset_sourcestamps),
                (schema.buildrequests, history.buildrequests),
                (schema.builds, history.build_rows),
                (schema.build_properties, history.build_properties),
                (schema.steps, history.steps),
                (schema.logs, history.logs),
            ]
            for table, rows in tables:
                _write(connection, table, rows())
            connection.execute(schema.builder_summaries.delete())
            _write(connection, schema.builder_summaries, history.summaries())
        with connection.begin():
            connection.execute(text("ANALYZE"))
    engine.dispose()


def _write(connection: Connection, table: Table, rows: Iterator[Row]) -> None:
    waiting: list[Row] = []
    for row in rows:
        waiting.append(row)
        if len(waiting) == ROWS_AT_ONCE:
            connection.execute(insert(table), waiting)
            waiting = []
    if waiting:
        connection.execute(insert(table), waiting)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
