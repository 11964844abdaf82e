"""Shows what `mlops gc` would delete, or deleted, as a table for people."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from mlops_assets.commands.gc import Removal
from mlops_assets.commands.plain_text import plain
from mlops_assets.core.masking import masked
from mlops_assets.core.settings import Settings


def print_removals(
    removals: Sequence[Removal], *, is_applied: bool, settings: Settings, console: Console
) -> None:
    """Print one row per product and kind that has something to delete, the total, and what to do next."""
    found = [removal for removal in removals if removal.count]
    if not found:
        console.print("nothing to delete")
        return
    table = Table("product", "what", "count", "size", "oldest", "why it may go")
    for removal in found:
        count, size = f"{removal.count:,}", readable_size(removal.size_bytes)
        oldest = f"{removal.oldest:%Y-%m-%d}" if removal.oldest else "–"
        table.add_row(removal.product, removal.kind, count, size, oldest, plain(removal.reason))
    console.print(table)
    count = sum(removal.count for removal in found)
    total = readable_size(sum(removal.size_bytes for removal in found))
    if not is_applied:
        console.print(f"{count:,} things, {total}: nothing was deleted; to delete them: mlops gc --apply")
        return
    console.print(f"deleted {count:,} things, {total}")
    if any(removal.kind == "runs" for removal in found):
        console.print(purge_hint(settings), soft_wrap=True, highlight=False)


def purge_hint(settings: Settings) -> str:
    """Say how the files of deleted runs are purged: MLflow keeps them, so that a run can be restored."""
    uri = settings.tracking_uri
    if uri.startswith(("http://", "https://")):
        return "deleted runs can be restored until `mlflow gc` is run on the tracking server; it frees their files"
    store = f"--backend-store-uri {masked(uri)} --tracking-uri {masked(uri)}"
    return f"deleted runs can be restored until this frees their files: mlflow gc {store}"


def readable_size(size_bytes: int) -> str:
    """Write a number of bytes in the largest binary unit that leaves at least 1."""
    size, units = float(size_bytes), ["B", "KiB", "MiB", "GiB", "TiB"]
    while size >= 1024 and len(units) > 1:
        size, units = size / 1024, units[1:]
    return f"{size:,.0f} {units[0]}" if units[0] == "B" else f"{size:,.1f} {units[0]}"
