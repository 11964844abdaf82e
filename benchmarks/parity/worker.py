"""A process of `benchmarks.parity` that answers requests, as a worker of the service does, on a shared store."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.parity.home import Answered, ParityHome, answer
from benchmarks.parity.stream import Request
from mlops_assets.core.serving.scoring import OnlineScoring


@dataclass
class _Worker:
    scoring: OnlineScoring | None = None


_WORKER = _Worker()
"""What this process answers with; set once, when it starts."""


def start_worker(home: ParityHome) -> None:
    """Open the store and load both versions."""
    _WORKER.scoring = home.scoring()


def answer_chunk(requests: Sequence[Request]) -> Answered:
    """Answer some requests, one after another."""
    if _WORKER.scoring is None:
        raise SystemExit("the worker was not started")
    return answer(_WORKER.scoring, requests)
