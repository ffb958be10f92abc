"""The objects that a worker calls back while it runs a command."""

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.spread import pb

from ci_master.workers.session import CommandSink, RemoteException
from ci_master.workers.transfer import DirectoryWriter, FileReader, FileWriter


class CommandReceiver(pb.Referenceable):
    """Takes what a worker reports of one command, until it is complete or lost."""

    def __init__(self, sink: CommandSink) -> None:
        self._sink: CommandSink | None = sink
        self._files: list[FileWriter | DirectoryWriter | FileReader] = []

    def wire_args(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments as they are sent: file objects become objects the worker can call."""
        sent = dict(args)
        for key, value in args.items():
            if isinstance(value, FileWriter | DirectoryWriter):
                sent[key] = _RemoteWriter(value)
                self._files.append(value)
            elif isinstance(value, FileReader):
                sent[key] = _RemoteReader(value)
                self._files.append(value)
        return sent

    def remote_update(self, updates: list[Any]) -> Any:
        """Take ``[[dict, number], ...]``; the highest number acknowledges them."""
        highest = 0
        values = []
        for value, number in updates:
            values.append(value)
            highest = max(highest, number)
        if self._sink is None:
            return highest
        wait = self._sink.updates(values)
        if wait is None:
            return highest
        return wait.addCallback(lambda _: highest)

    def remote_complete(self, failure: Any = None) -> None:
        """The command is over; ``failure`` says that the worker could not run it."""
        if failure is not None:
            told_of = failure if isinstance(failure, Failure) else Failure(RuntimeError(failure))
            failure = told(told_of)
        self.end(failure)

    def end(self, failure: Failure | None) -> None:
        """Tell the sink, once; let go of the files that are still open."""
        sink, self._sink = self._sink, None
        files, self._files = self._files, []
        for file in files:
            file.abandon()
        if sink is not None:
            sink.complete(failure)

    def forget(self) -> None:
        """The command never started: who asked for it is told in another way."""
        self._sink = None
        self.end(None)


def told(failure: Failure) -> Failure:
    """What a worker says went wrong, as an exception of ours; a failure of ours as it is."""
    if isinstance(failure, pb.CopiedFailure):
        kind, text, trace = failure.type, failure.value, getattr(failure, "traceback", "")
    elif isinstance(failure.value, pb.RemoteError):
        error = failure.value
        kind, text, trace = error.remoteType, error, error.remoteTraceback
    else:
        return failure
    shown = ": ".join(_shown(part, 2000) for part in (kind, text))
    return Failure(RemoteException(f"{shown}\n{_shown(trace, 20_000)}".rstrip()))


def _shown(value: Any, most: int) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text if len(text) <= most else f"{text[:most]}..."


class _RemoteWriter(pb.Referenceable):
    """A file or a directory that a worker sends."""

    def __init__(self, file: FileWriter | DirectoryWriter) -> None:
        self._file = file

    def remote_write(self, data: bytes | str) -> Deferred[None]:
        """Add bytes."""
        return self._file.write(data if isinstance(data, bytes) else data.encode())

    def remote_close(self) -> Deferred[None]:
        """All bytes have come."""
        return self._writer.close()

    def remote_utime(self, times: tuple[float, float]) -> Deferred[None]:
        """Set access and modification time of the file."""
        accessed, modified = times
        return self._writer.utime((float(accessed), float(modified)))

    def remote_unpack(self) -> Deferred[None]:
        """All bytes of the archive have come: unpack it."""
        if not isinstance(self._file, DirectoryWriter):
            raise pb.Error("this is no directory")
        return self._file.unpack()

    @property
    def _writer(self) -> FileWriter:
        if not isinstance(self._file, FileWriter):
            raise pb.Error("this is no single file")
        return self._file


class _RemoteReader(pb.Referenceable):
    """A file that a worker fetches."""

    def __init__(self, file: FileReader) -> None:
        self._file = file

    def remote_read(self, length: int) -> Deferred[bytes]:
        """The next bytes; none at the end."""
        return self._file.read(int(length))

    def remote_close(self) -> Deferred[None]:
        """No more is wanted."""
        return self._file.close()
