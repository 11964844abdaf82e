"""Has a model proved in a process of its own, and says what came of it."""

import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mlops_assets.core.errors import ServingError
from mlops_assets.core.model.trained_model import BOOSTER_FILE
from mlops_assets.core.runtime.memory import MEBIBYTE, free_memory
from serving.following.apart import Ended, run_apart

PROOF = "serving.following.model_proof"
PROOF_SECONDS = 60
"""Within which a model must be loaded and have answered; a model of 100 MB takes some seconds."""
_SHOWN = 300
"""Characters that are shown of what the process said last."""


@dataclass(frozen=True)
class MemoryLimit:
    """What the models of a plan may take in all workers of the host together."""

    free: int | None
    """Bytes; None is not known, and limits nothing."""
    workers: int

    @classmethod
    def of_host(cls, *, workers: int, allowed: int | None = None) -> "MemoryLimit":
        """The limit of now: what the host has free, or the bytes `allowed` where those are fewer."""
        known = [size for size in (free_memory(), allowed) if size is not None]
        return cls(min(known) if known else None, max(1, workers))

    @property
    def per_worker(self) -> int | None:
        """Bytes that a model may take in one worker."""
        return None if self.free is None else self.free // self.workers

    def less(self, growth: int) -> "MemoryLimit":
        """The limit for the next model, after one that takes `growth` bytes in each worker."""
        return self if self.free is None else MemoryLimit(self.free - growth * self.workers, self.workers)

    def words(self) -> str:
        """What there is, for people."""
        free = (self.free or 0) / MEBIBYTE
        return f"{self.workers} worker{'s' if self.workers > 1 else ''} would load it, and {free:,.0f} MiB are free"


@dataclass(frozen=True)
class ModelToProve:
    """A model on disk, and what is known of it."""

    name: str
    """As people know it: product and version."""
    folder: Path
    digest: str
    answers: str | None
    """Its golden answers as JSON; None for a version of before they were stored."""


def prove(model: ModelToProve, limit: MemoryLimit, *, is_wanted: Callable[[], bool]) -> int:
    """Load the model and let it answer its golden rows in a process of its own; return the bytes that it took there.

    A model whose text alone does not fit is not tried. `is_wanted` is asked several times a second; when it says no,
    the process is ended.

    Raises: ServingError when the model kills its process, hangs, answers wrongly or does not fit into memory;
    NotWantedError when it was not wanted any more; OSError when no process can be started.
    """
    _require_room(model, limit)
    ended = run_apart(
        PROOF,
        _options(model, limit),
        seconds=PROOF_SECONDS,
        is_wanted=is_wanted,
        environment={"OMP_NUM_THREADS": "1"},
    )
    return _judged(model, limit, ended)


def _require_room(model: ModelToProve, limit: MemoryLimit) -> None:
    size = (model.folder / BOOSTER_FILE).stat().st_size
    if limit.per_worker is not None and size > limit.per_worker:
        raise ServingError(
            f"{model.name} is refused: it does not fit into memory: {limit.words()}; its text alone takes "
            f"{size / MEBIBYTE:,.0f} MiB"
        )


def _options(model: ModelToProve, limit: MemoryLimit) -> list[str]:
    options = [str(model.folder), "--digest", model.digest]
    if model.answers is not None:
        options += ["--answers", model.answers]
    if limit.per_worker is not None:
        options += ["--bytes", str(max(0, limit.per_worker))]
    return options


def _judged(model: ModelToProve, limit: MemoryLimit, ended: Ended) -> int:
    told = ended.told
    if ended.code == 0 and isinstance(growth := told.get("growth"), int):
        if limit.per_worker is None or growth <= limit.per_worker:
            return growth
        raise ServingError(
            f"{model.name} is refused: it takes {growth / MEBIBYTE:,.0f} MiB of memory, {limit.words()}; give the host "
            "more memory, serve with fewer workers, or release a smaller model"
        )
    raise ServingError(f"{model.name} is refused: {_reason(told, limit, ended)}")


def _reason(told: dict[str, object], limit: MemoryLimit, ended: Ended) -> str:
    code, errors = ended.code, ended.errors
    if told.get("is_memory") or "bad_alloc" in errors:
        return f"it does not fit into memory: {limit.words()}"
    if "refused" in told:
        return str(told["refused"])
    last = f"; it said: {errors.strip()[-_SHOWN:]}" if errors.strip() else ""
    if code is None or code == -signal.SIGALRM or ended.is_late:
        return f"it was not loaded, or did not answer, within {PROOF_SECONDS} s"
    if code == -signal.SIGKILL:
        return (
            f"the process that tried it was killed, as the kernel does when memory runs out: {limit.words()}"
        )
    if code < 0:
        return f"the process that tried it died of {signal.Signals(-code).name}{last}"
    return f"the process that tried it ended with code {code}{last}"
