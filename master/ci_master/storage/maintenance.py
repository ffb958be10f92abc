"""What is done to the database of a stopped master, by hand."""

from sqlalchemy import Connection, bindparam, func, select, update
from sqlalchemy.exc import DBAPIError

from ci_master.storage import logchunks
from ci_master.storage.engine import DatabaseUnusable, database_url, one_off_engine, show
from ci_master.storage.migrate import check_version
from ci_master.storage.schema import logchunks as t

_AT_ONCE = 200


def cleanup(url: str, basedir: str, *, method: str, force: bool = False) -> str:
    """Compress log chunks with this method, and give back what space is free.

    :param method: a key of :data:`ci_master.storage.logchunks.METHODS`.
    :param force: also chunks that are compressed by it already.
    :returns: a sentence on what was done.
    :raises DatabaseUnusable: if the database is away, or not of this version.
    """
    check_version(url, basedir)
    target = database_url(url, basedir)
    engine = one_off_engine(target)
    try:
        with engine.connect() as connection:
            before = _log_bytes(connection)
            connection.rollback()
            done = _recompress(connection, logchunks.METHODS[method], force)
            after = _log_bytes(connection)
            connection.rollback()
        if target.get_backend_name() == "sqlite":
            with engine.connect() as connection:
                driver = connection.connection.driver_connection
                assert driver is not None  # it is connected
                driver.execute("VACUUM")
    except DBAPIError as error:
        raise DatabaseUnusable(
            f"the database {show(target)} could not be cleaned up: {error.orig}"
        ) from error
    finally:
        engine.dispose()
    return f"{done} log chunks compressed by {method}: {_mb(before)} before, {_mb(after)} now"


def _recompress(connection: Connection, code: int, force: bool) -> int:
    """Chunk by chunk, a few in each transaction; gives how many."""
    change = (
        update(t)
        .where(t.c.id == bindparam("chunk"))
        .values(compression=code, content=bindparam("packed"))
    )
    last, done = 0, 0
    while True:
        wanted = select(t.c.id, t.c.compression, t.c.content).where(t.c.id > last)
        if not force:
            wanted = wanted.where(t.c.compression != code)
        with connection.begin():
            rows = connection.execute(wanted.order_by(t.c.id).limit(_AT_ONCE)).all()
            if not rows:
                return done
            packed = [
                {"chunk": row.id, "packed": logchunks.repack(row.content, row.compression, code)}
                for row in rows
            ]
            connection.execute(change, packed)
        last, done = rows[-1].id, done + len(rows)


def _log_bytes(connection: Connection) -> int:
    stored = connection.execute(select(func.coalesce(func.sum(func.length(t.c.content)), 0)))
    return int(stored.scalar() or 0)


def _mb(size: int) -> str:
    return f"{size / 1_000_000:.1f} MB"
