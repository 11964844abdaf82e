"""Folders and links that assets need and that are neither tables nor tracking."""

from pathlib import Path

import dagster as dg


class PlatformResource(dg.ConfigurableResource):
    """Where reports, bentos and fetched data lie on this machine, and where the UIs are."""

    reports_folder: str
    bentos_folder: str
    cache_folder: str
    dagster_ui_url: str

    @property
    def reports(self) -> Path:
        """Folder of HTML reports."""
        return Path(self.reports_folder)

    @property
    def bentos(self) -> Path:
        """BentoML's home."""
        return Path(self.bentos_folder)

    @property
    def cache(self) -> Path:
        """Folder for fetched source data; safe to delete."""
        return Path(self.cache_folder)
