"""The picture of a parity report."""

import numpy as np
import polars as pl

from mlops_assets.core.plots.style import BLUE, VERMILION, legend, new_figure, to_png

SHOWN = 24


def parity_bars(rows: pl.DataFrame) -> bytes:
    """Draw per feature how many values agree and how many differ, the worst features first, at most SHOWN.

    rows: a ParityReport's rows of kind feature and score; days are added up.
    """
    total = (
        rows.group_by("feature", maintain_order=True)
        .agg(pl.col("compared", "different").sum())
        .sort("different", descending=True, maintain_order=True)
        .head(SHOWN)
        .reverse()
    )
    different, compared = total["different"].to_numpy(), total["compared"].to_numpy()
    note = f"{int(compared.max(initial=0)):,} values per feature at most; {int(different.sum()):,} differ"
    figure, (axes,) = new_figure(
        "Served beside derived offline", note, height=max(2.2, 1.4 + 0.22 * total.height)
    )
    places = np.arange(total.height)
    axes.barh(places, compared - different, color=BLUE, height=0.7, label="equal to the last bit")
    axes.barh(places, different, left=compared - different, color=VERMILION, height=0.7, label="different")
    axes.set_yticks(places, total["feature"].to_list(), parse_math=False)
    axes.set(xlabel="served values")
    axes.grid(visible=False, axis="y")
    legend(axes)
    return to_png(figure)
