"""Loading without collections of cyclic garbage."""

import gc
import weakref
from typing import Any

import pytest

from ci_common.collector import loading_for_good


def test_nothing_is_collected_meanwhile_and_what_was_made_is_left_out_later() -> None:
    before = gc.get_freeze_count()
    with loading_for_good():
        assert not gc.isenabled()
        made = [[number] for number in range(1000)]
    assert gc.isenabled() and gc.get_freeze_count() >= before + len(made)
    gc.unfreeze()


def test_what_was_garbage_before_does_not_stay_for_good() -> None:
    class Ring:
        """Refers to itself."""

    ring: Any = Ring()
    ring.itself = ring
    gone = weakref.ref(ring)
    del ring
    with loading_for_good():
        assert gone() is None
    gc.unfreeze()


def test_collections_go_on_after_a_failure() -> None:
    with pytest.raises(ValueError, match="away"), loading_for_good():
        raise ValueError("away")
    assert gc.isenabled()
