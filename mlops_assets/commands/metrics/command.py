"""Prints the numbers of the platform once, or puts them into a file for node_exporter's textfile collector."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from mlops_assets.commands.metrics.home_parts import home_parts
from mlops_assets.core.exporter.exposition import exposition
from mlops_assets.core.files import replace_text
from mlops_assets.core.settings import Settings

PATIENCE_SECONDS = 60.0
"""For all parts: nobody asks again."""


def metrics_text(settings: Settings, *, clock: Callable[[], datetime]) -> str:
    """Look at every part of the home once, and return its numbers in Prometheus' text format."""
    parts = home_parts(settings, clock=clock)
    return exposition(parts.metrics, parts.samples(patience_seconds=PATIENCE_SECONDS)).decode()


def write_metrics(settings: Settings, file: Path, *, clock: Callable[[], datetime]) -> None:
    """Put the numbers in the place of `file`, at once, so that nobody reads half of them; others may read it."""
    replace_text(file, metrics_text(settings, clock=clock)).chmod(0o644)
