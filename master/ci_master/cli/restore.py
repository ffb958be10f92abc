"""Bring a stopped master back to the state of a backup.

The database is replaced, and the former one is kept. The directory's other files stay as they are:
what differs in the backup is put beside them. A directory that does not exist is made, with the
files of the backup.
"""

import argparse
import contextlib
import os
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ci_common.pidfile import AlreadyRunning, PidFile
from ci_common.privacy import make_private_directory, write_private_text
from ci_master.cli.backup import add_db, database_named, tidy_when_ended
from ci_master.cli.directory import (
    TAC,
    add_quiet,
    config_named_by,
    master_directory,
    whole_path,
)
from ci_master.cli.problem import Problem
from ci_master.cli.running import PID_FILE, refuse_if_running, refuse_if_used_elsewhere

if TYPE_CHECKING:
    from ci_master.storage.backup import Backup

Say = Callable[[str], None]

#: What is put after the name of a file of the backup that differs from the directory's.
FROM_BACKUP = ".from-backup"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("basedir", help="the master's directory; it is made if it does not exist")
    parser.add_argument("file", help="a backup, made by 'ci-master backup'")
    add_db(parser)
    add_quiet(parser)


def run(options: argparse.Namespace) -> int:
    """Look through the backup; then put it in place."""
    from ci_master.storage.backup import read_backup
    from ci_master.storage.engine import DatabaseUnusable

    tidy_when_ended()

    def say(text: str) -> None:
        if not options.quiet:
            print(text)

    try:
        backup = read_backup(whole_path(options.file))
        basedir = whole_path(options.basedir)
        is_new = _is_new(basedir)
        if is_new:
            _make(basedir, backup)
        else:
            basedir = master_directory(options.basedir)
        refuse_if_running(basedir)
        with _to_ourselves(basedir):
            url = database_named(options.db, basedir, config_named_by(basedir))
            _restore(backup, url, basedir, say)
        if not is_new:
            _put_files_beside(basedir, backup, say)
    except DatabaseUnusable as error:
        raise Problem(str(error)) from error
    say(f"Start the master: ci-master start {options.basedir}")
    return 0


def _restore(backup: "Backup", url: str, basedir: Path, say: Say) -> None:
    from ci_master.storage.backup import load_into_server, made_ready, put_in_place
    from ci_master.storage.engine import DatabaseUnusable, database_url, show, sqlite_file
    from ci_master.storage.schema import SCHEMA_VERSION

    where = show(database_url(url, str(basedir)))
    file = sqlite_file(url, str(basedir))
    database = None if file is None else Path(file).resolve()
    if database is None or _can_be_asked(database, say):
        refuse_if_used_elsewhere(url, basedir)
    if database is not None and database.exists() and database.samefile(backup.path):
        raise Problem(f"{backup.path} is the database itself")
    place = database or basedir / "state"
    with made_ready(backup, place) as ready:
        kept = ""
        if database is None:
            if schema := load_into_server(ready, url, str(basedir)):
                kept = f"in the schema {schema}; to remove it: DROP SCHEMA {schema} CASCADE"
        else:
            try:
                with _undisturbed():
                    aside = put_in_place(ready, database)
            except OSError as error:
                raise DatabaseUnusable(
                    f"{database} cannot be replaced: {error.strerror or error}"
                ) from error
            kept = f"in {aside}" if aside else ""
    made_at = backup.info.get("made_at")
    say(f"restored {where} from {backup.path}" + (f", made {made_at}" if made_at else ""))
    if backup.version != SCHEMA_VERSION:
        say(f"and brought it from version {backup.version} to {SCHEMA_VERSION}")
    if kept:
        say(f"the former database is kept {kept}")


def _can_be_asked(database: Path, say: Say) -> bool:
    """Whether a database can tell who its master is. One that is to be replaced may be broken."""
    from ci_master.data.mastership import holder_of
    from ci_master.storage.engine import DatabaseUnusable

    if not database.exists():
        return False
    try:
        holder_of(f"sqlite:///{database}", "/")
    except DatabaseUnusable as error:
        say(f"not asked who uses the database: {error}")
        return False
    return True


def _is_new(basedir: Path) -> bool:
    """Whether there is nothing in a directory, or no directory."""
    try:
        return not any(basedir.iterdir())
    except FileNotFoundError:
        return True
    except NotADirectoryError:
        raise Problem(f"{basedir} is no directory") from None


def _make(basedir: Path, backup: "Backup") -> None:
    """Make the directory with the files of the backup."""
    if TAC not in backup.files:
        raise Problem(
            f"{basedir} is not the directory of a master, and {backup.path} has no files to make"
            f" one of: make it with 'ci-master create-master {basedir}', and give it its master.cfg"
        )
    try:
        make_private_directory(basedir)
        for name, content in backup.files.items():
            _write(basedir / Path(name).name, content)
    except OSError as error:
        raise Problem(f"cannot write to {basedir}: {error.strerror}") from error


def _put_files_beside(basedir: Path, backup: "Backup", say: Say) -> None:
    """Write what the backup has otherwise, under names of its own."""
    for name, content in backup.files.items():
        path = basedir / Path(name).name
        with contextlib.suppress(OSError):
            if path.read_bytes() == content:
                continue
        beside = path.with_name(path.name + FROM_BACKUP) if path.exists() else path
        _write(beside, content)
        is_other = beside != path
        say(
            f"{path} is not as in the backup, and stays; that of the backup is {beside.name}"
            if is_other
            else f"{path} was missing; it is there again, from the backup"
        )


def _write(path: Path, content: bytes) -> None:
    write_private_text(path, "")
    path.write_bytes(content)
    _give_to_owner(path)


def _give_to_owner(path: Path) -> None:
    """Where the superuser restores for another account: what belongs to the directory is theirs."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid)


@contextmanager
def _to_ourselves(basedir: Path) -> Generator[None, None, None]:
    """Let no master start in the directory meanwhile."""
    lock = basedir / f"{PID_FILE}.lock"
    had_lock = lock.exists()
    pid_file = PidFile(basedir / PID_FILE)
    try:
        pid_file.take()
    except AlreadyRunning as error:
        raise Problem(str(error)) from error
    except OSError as error:
        raise Problem(f"cannot write to {basedir}: {error.strerror}") from error
    try:
        yield
    finally:
        pid_file.drop()
        if not had_lock:
            with contextlib.suppress(OSError):  # a lock of root's would keep the master out
                _give_to_owner(lock)


@contextmanager
def _undisturbed() -> Generator[None, None, None]:
    """Do not end by a signal while files change their places."""
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = [(number, signal.signal(number, signal.SIG_IGN)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)
