"""What is loaded when a process says so is passed over by collections."""

import gc

from mlops_assets.core.runtime.garbage import freeze_what_is_loaded


class Loop:
    """An object that only a collection finds."""

    def __init__(self) -> None:
        self.own = self


def loops() -> int:
    return sum(isinstance(one, Loop) for one in gc.get_objects())


def test_what_is_there_is_passed_over_and_garbage_is_collected_first():
    kept, _ = Loop(), Loop()
    del _
    Loop()
    try:
        freeze_what_is_loaded()
        assert loops() == 0  # the kept one is no longer among those that are walked
        assert kept.own is kept
        Loop()
        assert gc.collect() >= 1
    finally:
        gc.unfreeze()
    assert loops() == 1
