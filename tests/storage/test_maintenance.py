"""Cleaning up compresses logs again and changes nothing of what they say."""

from pathlib import Path

from sqlalchemy import select

from ci_master.data.builders import BuilderSpec
from ci_master.storage import logchunks, schema
from ci_master.storage.maintenance import cleanup
from tests.storage.harness import Desk


def test_logs_are_compressed_again_by_the_method_of_the_configuration(
    desk: Desk, tmp_path: Path
) -> None:
    desk.run(desk.data.builders.sync([BuilderSpec("b")]))
    _, requests = desk.run(desk.data.buildsets.add(builderids=[1]))
    build = desk.data.builds.start(1, desk.data.requests.open[requests[1]], None)
    desk.data.context.log_compression = "raw"
    log = desk.data.logs.open(desk.data.steps.add(build, "step"), "stdio")
    for _ in range(400):
        log.append("o", b"the same line again\n" * 100)
    log.finish()
    desk.settle()
    desk.crash()
    told = cleanup(desk.url, str(tmp_path), method="zstd")
    assert "0.8 MB before, 0.0 MB now" in told
    assert cleanup(desk.url, str(tmp_path), method="zstd").startswith("0 log chunks")
    assert not cleanup(desk.url, str(tmp_path), method="zstd", force=True).startswith("0 ")
    desk.open()
    codes = desk.run(
        desk.store.read(
            lambda tx: set(tx.execute(select(schema.logchunks.c.compression)).scalars())
        )
    )
    assert codes == {logchunks.ZSTD}
    last = desk.run(desk.store.read(lambda tx: logchunks.lines(tx, log.id, 39_999, 5)))
    assert last == b"othe same line again\n"
