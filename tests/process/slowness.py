"""How much slower this machine is at the moment than when it has nothing else to do."""

import threading
import time
from types import TracebackType

_SPIN_S = 0.005
_PAUSE_S = 0.05


class Slowness:
    """Watches, while a test measures time, how long a bit of work takes beside its own CPU time.

    A limit that a test gives is for a machine with nothing else to do: multiply it by
    :attr:`factor`. So other work on the machine does not make the test fail, and a product that
    has become slow still does.
    """

    def __init__(self) -> None:
        #: 1 on an idle machine; 5 if the work took five times its CPU time, at the worst.
        self.factor = 1.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Slowness":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            wall, cpu = time.perf_counter(), time.thread_time()
            while time.thread_time() - cpu < _SPIN_S:
                pass
            self.factor = max(self.factor, (time.perf_counter() - wall) / _SPIN_S)
            if self._over.wait(_PAUSE_S):
                return
