"""Where HTML reports live, how one is written, and which ones are old enough to go."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from mlops_assets.core.errors import MonitoringError


@dataclass(frozen=True)
class OldReport:
    """A report that the retention policy lets go."""

    path: Path
    modified_at: datetime
    size_bytes: int


def report_path(root: Path, *, product: str, kind: str, window: str) -> Path:
    """Return `<root>/<product>/<kind>/<window>.html`; `window` is a day or, for a cohort, `all`.

    Raises: MonitoringError for a part that would leave the folder.
    """
    for part in (product, kind, window):
        if not part or part.startswith(".") or "/" in part or "\\" in part:
            raise MonitoringError(f"a report's path cannot have the part {part!r}; use a plain name")
    return root / product / kind / f"{window}.html"


def write_atomically(path: Path, write: Callable[[Path], None]) -> Path:
    """Let `write` fill a file beside `path`, then put it in `path`'s place; return `path`.

    A reader sees the old file or the new one, never a part, also when the process is killed in between.
    What a killed process left behind is overwritten by the next one with the same process id, or goes with
    the retention.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        write(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def plan_report_retention(root: Path, *, now: datetime, keep_days: int) -> tuple[OldReport, ...]:
    """List the reports under `root` that were last written more than `keep_days` before `now`, oldest first.

    Nothing is deleted. Half-written files of killed processes count as reports. A folder that does not
    exist has none.
    """
    limit = now - timedelta(days=keep_days)
    candidates = [*root.glob("*/*/*.html"), *root.glob("*/*/.*.partial")]
    reports = (_describe(path, now=now) for path in candidates)
    return tuple(sorted((r for r in reports if r.modified_at < limit), key=lambda r: (r.modified_at, r.path)))


def _describe(path: Path, *, now: datetime) -> OldReport:
    status = path.stat()
    return OldReport(
        path=path,
        modified_at=datetime.fromtimestamp(status.st_mtime, tz=now.tzinfo),
        size_bytes=status.st_size,
    )
