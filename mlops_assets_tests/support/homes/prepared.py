"""Folders that take long to make, made once for all workers of a test run."""

import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock


def prepared(run_folder: Path, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder of the run that `make` has filled: now, or before in any worker of the run.

    A worker that asks meanwhile waits. A folder that was left half made is made anew, so that each worker tells what
    `make` raises.
    """
    place = run_folder / name
    place.mkdir(exist_ok=True)
    folder, whole = place / "made", place / "whole"
    with FileLock(place / "lock"):
        if not whole.exists():
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            whole.touch()
    return folder
