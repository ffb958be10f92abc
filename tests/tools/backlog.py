"""Measure a master with many waiting requests: its start, and the work of each build.

usage: python -m tests.tools.backlog [WAITING [BUILDERS [BUILDS]]]

It prints one line for few waiting requests and one for many; what a build costs the master should
be the same in both.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

from sqlalchemy import insert, select

from ci_master.storage import schema
from ci_master.storage.engine import database_url, one_off_engine
from tests.process.farm import Daemon, Farm, Master, wait_until

CONFIG = """
c['workers'] = [worker.Worker('w1', 'secret', max_builds=16)]
for number in range({builders}):
    builder(f'b{{number}}', steps.ShellCommand(command=['true']), workernames=['w1'])
force_all()
"""


def fill(master: Master, waiting: int) -> None:
    """Let so many requests wait, each of a revision of its own."""
    engine = one_off_engine(database_url(master.db_url, str(master.home)))
    now = int(time.time())
    properties = json.dumps({"scheduler": ["s", "Scheduler"], "branch": ["main", "Change"]})
    ids = range(1, waiting + 1)
    with engine.begin() as tx:
        builders = list(tx.execute(select(schema.builders.c.id)).scalars())
        stamp = {"repository": "", "project": "", "codebase": "", "created_at": now}
        stamps = [{"id": id, "hash": str(id), "revision": str(id), **stamp} for id in ids]
        tx.execute(insert(schema.sourcestamps), stamps)
        asked = {"submitted_at": now, "properties_json": properties, "reason": ""}
        tx.execute(insert(schema.buildsets), [{"id": id, **asked} for id in ids])
        links = [{"id": id, "buildsetid": id, "sourcestampid": id} for id in ids]
        tx.execute(insert(schema.buildset_sourcestamps), links)
        requests = [
            {"id": id, "buildsetid": id, "builderid": builders[id % len(builders)]} for id in ids
        ]
        tx.execute(insert(schema.buildrequests), [{**one, "submitted_at": now} for one in requests])
    engine.dispose()


def cpu_s(daemon: Daemon) -> float:
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{daemon.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(directory: Path, waiting: int, builders: int, builds: int) -> str:
    """One line."""
    farm = Farm(directory)
    try:
        master = farm.master(None)
        master.configure(CONFIG.format(builders=builders))
        master.start()
        master.stop()
        fill(master, waiting)
        began = time.perf_counter()
        master.start()
        start_s = time.perf_counter() - began
        daemon = master.daemon
        assert daemon is not None
        start_cpu_s = before_s = cpu_s(daemon)
        began = time.perf_counter()
        farm.worker(master)

        def done() -> int:
            found = master.rest.all("builds?limit=1&order=-buildid&complete=true")
            number = int(found[0]["buildid"]) if found else 0
            return number if number >= builds else 0

        number = wait_until(done, f"{builds} builds", limit_s=900, every_s=0.25)
        took_s, used_s = time.perf_counter() - began, cpu_s(daemon) - before_s
        return (
            f"{waiting} waiting on {builders} builders: start {start_s:.2f} s"
            f" ({start_cpu_s:.2f} s of work), {number / took_s:.0f} builds/s,"
            f" {1000 * used_s / number:.2f} ms of work per build"
        )
    finally:
        farm.close()


def main() -> None:
    """See the module."""
    given = [int(argument) for argument in sys.argv[1:]]
    waiting, builders, builds = given + [25_000, 100, 1500][len(given) :]
    for number in (builds + 100, waiting):
        with tempfile.TemporaryDirectory() as directory:
            print(measure(Path(directory), number, builders, builds), flush=True)


if __name__ == "__main__":
    main()
