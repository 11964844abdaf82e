"""Turns pictures and tables into Dagster metadata, for the places where a person would rather look than read."""

import base64
import re
from collections.abc import Callable
from typing import TypeVar

import dagster as dg
import polars as pl

from mlops_assets.core.free_text import harmless

_MARKUP = re.compile(r"[\\|<>\[\]*`&]")
"""Characters with which Markdown or HTML begins; a backslash before them shows them as they are."""
Function = TypeVar("Function", bound=Callable[..., object])


def page_only(function: Function) -> Function:
    """Mark a function that only makes what an asset's page shows: its code is no part of the asset's code version."""
    return function


def picture(png: bytes, *, caption: str) -> dg.MetadataValue:
    """Show a PNG in the asset's page; the picture travels inside the event, so keep it below some 100 kB."""
    encoded = base64.b64encode(png).decode("ascii")
    return dg.MetadataValue.md(f"![{caption}](data:image/png;base64,{encoded})")


def table(frame: pl.DataFrame, *, rows: int = 30) -> dg.MetadataValue:
    """Show the first rows of a frame as a Markdown table; floats with four significant digits, nulls as –."""
    shown = frame.head(rows)
    lines = [f"| {' | '.join(map(_cell, shown.columns))} |", f"|{' --- |' * shown.width}"]
    lines += [f"| {' | '.join(_cell(value) for value in row)} |" for row in shown.iter_rows()]
    if frame.height > rows:
        lines.append(f"\n{frame.height - rows} more rows")
    return dg.MetadataValue.md("\n".join(lines))


def _cell(value: object) -> str:
    if value is None:
        return "–"
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return _MARKUP.sub(r"\\\g<0>", harmless(text.replace("\n", " ")))
