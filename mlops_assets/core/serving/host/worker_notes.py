"""What the workers of a host say about the plans that they load, one small file each: `workers/` beside the snapshot.

A worker holds its file locked while it lives, and takes it away when it ends in order. So a file that nobody holds is
of a worker that died, and its last line says of what it was doing then; a crash of a native library adds its trace.
"""

import contextlib
import faulthandler
import fcntl
import json
import logging
import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, get_args

NOTES_FOLDER = "workers"
FORMAT_VERSION = 1
Stage = Literal["loads", "works", "keeps"]
"""A worker loads a plan; the plan works in it; or it could not be loaded, and the worker keeps the one before."""
READ_BYTES = 1024 * 1024
"""Of the end of a file: the trace of a crash has some kilobytes."""
_CRASH = b"Fatal Python error: "
_log = logging.getLogger(__name__)


class WorkerNotes:
    """The file of one worker, which writes it."""

    def __init__(self, serving_home: Path, product: str) -> None:
        """Nothing is written before the first word."""
        self._folder = notes_folder(serving_home, product)
        self._opened: IO[bytes] | None = None
        self._file: Path | None = None

    def say(self, stage: Stage, plan: int) -> None:
        """Note the stage of a plan, by its sequence. A disk that takes no note stops no worker: it is logged."""
        line = json.dumps({"format_version": FORMAT_VERSION, "plan": plan, "stage": stage}) + "\n"
        try:
            if self._opened is None:
                self._open()
            if self._opened is not None:
                self._opened.write(line.encode())
        except OSError as error:
            _log.warning("the note that this worker %s plan %d cannot be written: %s", stage, plan, error)

    def close(self) -> None:
        """Take the file away: this worker ends in order."""
        if self._opened is not None and self._file is not None:
            faulthandler.disable()
            with contextlib.suppress(OSError):
                self._file.unlink(missing_ok=True)
            self._opened.close()
            self._opened = None

    def _open(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        name = f"{os.getpid()}-{uuid.uuid4().hex[:8]}.jsonl"
        hidden = self._folder / f".{name}"
        opened = hidden.open("ab", buffering=0)
        fcntl.flock(opened, fcntl.LOCK_EX)
        self._file = hidden.rename(self._folder / name)  # seen only once it is locked
        self._opened = opened
        faulthandler.enable(opened)


@dataclass(frozen=True)
class WorkerNote:
    """The last that a worker said."""

    file: Path
    is_alive: bool
    plan: int | None = None
    """Sequence; None where nothing can be read."""
    stage: Stage | None = None
    crash: str | None = None
    """What killed the process from within, as "Aborted" or "Segmentation fault"; None where nothing did."""


def notes_folder(serving_home: Path, product: str) -> Path:
    """Return where the workers of a product's services on this host leave their notes."""
    return serving_home / product / NOTES_FOLDER


def read_notes(serving_home: Path, product: str) -> list[WorkerNote]:
    """Return a note for each worker that lives or died; what cannot be read of it is None."""
    folder = notes_folder(serving_home, product)
    if not folder.is_dir():
        return []
    notes = []
    for file in sorted(folder.glob("[!.]*.jsonl")):
        with contextlib.suppress(OSError):  # it was taken away meanwhile
            notes.append(_read(file))
    return notes


def _read(file: Path) -> WorkerNote:
    with file.open("rb") as opened:
        is_alive = _is_held(opened)
        opened.seek(max(0, os.fstat(opened.fileno()).st_size - READ_BYTES))
        lines = opened.read(READ_BYTES).splitlines()
    crash = next((line for line in lines if line.startswith(_CRASH)), None)
    note = WorkerNote(
        file, is_alive, crash=crash.removeprefix(_CRASH).decode(errors="replace") if crash else None
    )
    for line in reversed(lines):
        with contextlib.suppress(ValueError, KeyError, TypeError):
            content = json.loads(line)
            if content["format_version"] == FORMAT_VERSION and content["stage"] in get_args(Stage):
                return WorkerNote(file, is_alive, int(content["plan"]), content["stage"], note.crash)
    return note


def _is_held(opened: IO[bytes]) -> bool:
    try:
        fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False
