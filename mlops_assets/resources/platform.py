"""Folders and links that assets need and that are neither tables nor tracking."""

from pathlib import Path

import dagster as dg


class PlatformResource(dg.ConfigurableResource):
    """Where reports, bentos and fetched data lie on this machine, and where the reports are served."""

    reports_folder: str
    bentos_folder: str
    cache_folder: str
    reports_url: str

    @property
    def reports(self) -> Path:
        """Folder of HTML reports."""
        return Path(self.reports_folder)

    def report_url(self, report: Path) -> str:
        """Return the address at which a report below the reports folder is served."""
        return f"{self.reports_url.rstrip('/')}/{report.relative_to(self.reports).as_posix()}"

    @property
    def bentos(self) -> Path:
        """BentoML's home."""
        return Path(self.bentos_folder)

    @property
    def cache(self) -> Path:
        """Folder for fetched source data; safe to delete."""
        return Path(self.cache_folder)
