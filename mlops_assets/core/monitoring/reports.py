"""Where HTML reports live, how one is written, and which ones are old enough to go."""

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


def plan_report_retention(root: Path, *, now: datetime, keep_days: int) -> tuple[OldReport, ...]:
    """List the reports under `root` that were last written more than `keep_days` before `now`, oldest first.

    Nothing is deleted. Half-written files of killed processes count as reports, and so does Evidently's program, which
    is as new as the newest page that needs it. A folder that does not exist has none.
    """
    limit = now - timedelta(days=keep_days)
    patterns = ("*/*/*.html", "*/evidently-*.js", "*/*/.*.partial", "*/.*.partial")
    candidates = [path for pattern in patterns for path in root.glob(pattern)]
    reports = (_describe(path, now=now) for path in candidates)
    return tuple(sorted((r for r in reports if r.modified_at < limit), key=lambda r: (r.modified_at, r.path)))


def _describe(path: Path, *, now: datetime) -> OldReport:
    status = path.stat()
    return OldReport(
        path=path,
        modified_at=datetime.fromtimestamp(status.st_mtime, tz=now.tzinfo),
        size_bytes=status.st_size,
    )
