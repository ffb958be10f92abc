"""Loading much that stays, without the collector of cyclic garbage looking at it over and over."""

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def loading_for_good() -> Iterator[None]:
    """What is made meanwhile is not looked at for cyclic garbage, now or later.

    Else each of the thousands of rows that a start reads is looked at many times over, and with
    every later collection, which holds up everything else. What is not referred to any more is
    freed as ever; only cycles of what was made meanwhile are not.
    """
    was_on = gc.isenabled()
    gc.collect()  # what is garbage already is not to stay for good
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if was_on:
            gc.enable()
