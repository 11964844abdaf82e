"""The outcomes that a report judges a champion by: of events that it was not made from."""

from collections.abc import Sequence

import polars as pl

from mlops_assets.assets.support.reports.windows import ReportWindow
from mlops_assets.core.labels.outcomes import newest_outcomes
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.monitoring.quality.group_rows import with_columns_of_events
from mlops_assets.core.product import Product
from mlops_assets.core.registry.learned_rows import rows_learned_by
from mlops_assets.core.release.champion import Champion, champion_held_out

SAME_ROWS = "these are rows that the champion was made from or chosen on; members that it never saw can tell"


def unseen_outcomes(
    tables: DeltaTables,
    product: Product,
    champion: Champion,
    window: ReportWindow,
    *,
    columns: Sequence[str] = (),
) -> pl.DataFrame:
    """Return outcomes of the champion's own predictions of events after its as-of time, with the group column.

    Of a cohort those of members that it never saw; all of them while there are no others. One row per prediction.

    tables, product: whose outcomes. champion: whose predictions. window: in which the outcomes became known. columns:
    of events or features that are added.
    """
    spec = product.spec
    outcomes = (
        tables.scan(product.name, "outcomes", days=window.days)
        .filter(pl.col("model_version") == champion.version)
        .collect()
    )
    if champion.as_of is not None:
        newest = newest_outcomes(outcomes, as_of=None)
        outcomes = newest.filter(pl.col("event_timestamp") >= champion.as_of)
    elif product.spec.time is None:
        new = _new_members(tables, product, champion, outcomes)
        outcomes = outcomes if new.is_empty() else new
    group = spec.evaluation.group_column
    wanted = [*([] if group is None else [group]), *columns]
    return with_columns_of_events(tables, product, champion.view, outcomes, columns=wanted)


def are_used_rows(tables: DeltaTables, product: Product, champion: Champion, outcomes: pl.DataFrame) -> bool:
    """Tell whether a cohort's outcomes are rows that the champion was made from or chosen on."""
    if product.spec.time is not None or outcomes.is_empty():
        return False
    return _new_members(tables, product, champion, outcomes).is_empty()


def _new_members(
    tables: DeltaTables, product: Product, champion: Champion, outcomes: pl.DataFrame
) -> pl.DataFrame:
    """Outcomes of a cohort's members that are not in the champion's training set, in none of its splits."""
    id_column = product.spec.id_column
    learned = rows_learned_by(
        champion.tracking_uri, champion.registered, champion.model, tables=tables, id_column=id_column
    )
    held_out = champion_held_out(tables, product, champion)[id_column]
    used = pl.concat([learned, held_out])
    return outcomes.filter(~pl.col(id_column).is_in(used.implode()))
