"""Asking for a limited time."""

import subprocess
import sys
import threading

import pytest

from mlops_assets.core.runtime.patience import ask_within


def test_an_answer_in_time_is_returned_and_an_error_in_time_is_raised() -> None:
    assert ask_within(60, lambda: 7) == 7
    with pytest.raises(KeyError):
        ask_within(60, lambda: {}["missing"])


def test_what_does_not_answer_is_left_behind() -> None:
    over = threading.Event()
    with pytest.raises(TimeoutError, match=r"no answer within 0\.1 s"):
        ask_within(0.1, over.wait)
    over.set()


def test_what_is_left_behind_holds_up_no_exit() -> None:
    code = (
        "import threading\n"
        "from mlops_assets.core.runtime.patience import ask_within\n"
        "try:\n"
        "    ask_within(0.1, threading.Event().wait)\n"
        "except TimeoutError:\n"
        "    print('left')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], timeout=60, capture_output=True, text=True, check=True
    )
    assert done.stdout == "left\n"
