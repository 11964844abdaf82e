"""How every benchmark ends: a table for people, then one JSON object as the last line."""

import json
import statistics
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table for people; numbers are shown with four significant digits."""
    table = Table(*columns, title=title, title_justify="left")
    for row in rows:
        table.add_row(*(f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in row))
    Console().print(table)


def print_json(result: Mapping[str, object]) -> None:
    """Print the machine-readable answer; it must be the benchmark's last line."""
    print(json.dumps(dict(result)), flush=True)


def ratio_with_spread(
    numerators: Sequence[float], denominators: Sequence[float]
) -> tuple[float, list[float]]:
    """Return the median of the pairwise ratios and their [minimum, maximum]; the pairs ran next to each other."""
    ratios = [a / b for a, b in zip(numerators, denominators, strict=True)]
    return statistics.median(ratios), [min(ratios), max(ratios)]
