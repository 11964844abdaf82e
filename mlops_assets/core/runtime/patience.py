"""Asks what may never answer, and waits a limited time for it."""

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TypeVar

Answer = TypeVar("Answer")


def ask_within(seconds: float, ask: Callable[[], Answer]) -> Answer:
    """Return what `ask` returns; a thread that takes longer is left behind, and holds up no exit of the process.

    Raises: TimeoutError; what `ask` raises in time.
    """
    answers: SimpleQueue[Callable[[], Answer]] = SimpleQueue()

    def asked() -> None:
        try:
            answer = ask()
        except BaseException as error:  # it is the asking thread's, and is raised there
            answers.put(_raiser(error))
        else:
            answers.put(lambda: answer)

    threading.Thread(target=asked, daemon=True).start()
    try:
        return answers.get(timeout=seconds)()
    except Empty:
        raise TimeoutError(f"no answer within {seconds:g} s") from None


def _raiser(error: BaseException) -> Callable[[], Answer]:
    def raise_it() -> Answer:
        raise error

    return raise_it
