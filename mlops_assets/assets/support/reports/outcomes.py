"""The outcomes by which a champion is judged: of its own predictions, of rows that it was not made from."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

import polars as pl

from mlops_assets.assets.support.reports.windows import ReportWindow
from mlops_assets.core.labels.outcomes import by_knowledge, newest_outcomes
from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.monitoring.quality.group_rows import with_columns_of_events
from mlops_assets.core.product import Product
from mlops_assets.core.registry.learned_rows import rows_learned_by
from mlops_assets.core.release.champion import Champion, champion_held_out

SAME_ROWS = "these are rows that the champion was made from or chosen on; members that it never saw can tell"


@dataclass(frozen=True)
class UnseenOutcomes:
    """What one run of reports reads of a champion's outcomes: once, for all of its windows."""

    rows: pl.DataFrame
    """All versions of each outcome, with the evaluation's group column; `by_knowledge` where there is an as-of time."""
    as_of: datetime | None
    """Events before it are left out; None for a cohort."""
    are_used: bool
    """Whether these are rows that the champion was made from or chosen on: a cohort without others."""

    @classmethod
    def read(
        cls,
        tables: DeltaTables,
        product: Product,
        champion: Champion,
        *,
        windows: Sequence[ReportWindow],
        columns: Sequence[str] = (),
    ) -> Self:
        """Read what became known in the windows and before them, from the champion's as-of day on.

        Of a cohort the outcomes of members that the champion never saw; all of them while there are no others.

        tables, product: whose outcomes. champion: whose predictions. windows: all of a run. columns: of events or
        features that are added, besides the evaluation's group column.
        """
        days = _days_of_all([window.since(champion.as_of) for window in windows])
        outcomes = (
            tables.scan(product.name, "outcomes", days=days)
            .filter(pl.col("model_version") == champion.version)
            .collect()
        )
        are_used = False
        if champion.as_of is None and product.spec.time is None:
            new = _new_members(tables, product, champion, outcomes)
            are_used = outcomes.height > 0 and new.is_empty()
            outcomes = outcomes if new.is_empty() else new
        group = product.spec.evaluation.group_column
        wanted = [*([] if group is None else [group]), *columns]
        rows = with_columns_of_events(tables, product, champion.view, outcomes, columns=wanted)
        # Sorted once: a window keeps the order.
        return cls(rows if champion.as_of is None else by_knowledge(rows), champion.as_of, are_used)

    def within(self, window: ReportWindow) -> pl.DataFrame:
        """Return the newest version of each outcome that became known in a window, of events from `as_of` on."""
        rows = self.rows if window.days is None else self.rows.filter(window.days.contains())
        if self.as_of is None:
            return rows
        newest = newest_outcomes(rows, as_of=None, is_sorted=True)
        return newest.filter(pl.col("event_timestamp") >= self.as_of)


def _days_of_all(windows: Sequence[ReportWindow]) -> DayRange | None:
    days = [window.days for window in windows if window.days is not None]
    if not days:
        return None
    return DayRange(min(one.first for one in days), max(one.end for one in days), days[0].column)


def _new_members(
    tables: DeltaTables, product: Product, champion: Champion, outcomes: pl.DataFrame
) -> pl.DataFrame:
    """Outcomes of a cohort's members that are not in the champion's training set, in none of its splits."""
    if outcomes.is_empty():
        return outcomes
    id_column = product.spec.id_column
    learned = rows_learned_by(
        champion.tracking_uri, champion.registered, champion.model, tables=tables, id_column=id_column
    )
    used = pl.concat([learned, champion_held_out(tables, product, champion)[id_column]])
    return outcomes.filter(~pl.col(id_column).is_in(used.implode()))
