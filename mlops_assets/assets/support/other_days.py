"""Days outside a run's partitions that it wrote too, told to Dagster so that what is made from them is seen as old."""

from datetime import date

import dagster as dg

from mlops_assets.core.lakehouse.write import TableCommit
from mlops_assets.core.product import Product


def tell_of_another_day(
    context: dg.AssetExecutionContext,
    product: Product,
    noun: str,
    day: date,
    commit: TableCommit,
    *,
    why: str,
) -> None:
    """Report a day of `noun` as materialized when the commit changed it.

    context: of the running step. product, noun: whose table. day: of one of its partitions. commit: what wrote it. why:
    ends the sentence that the page shows.
    """
    time = product.spec.time
    context.log.info(f"{noun} of {day} was made again, since {why}")
    if not commit.changed:
        return
    is_whole = time is None or time.partitions == "day"
    rows = {"dagster/partition_row_count": commit.rows} if is_whole else {}  # a day's rows are not a week's
    context.log_event(
        dg.AssetMaterialization(
            dg.AssetKey([product.name, noun]),
            partition=day.isoformat() if time is None else time.partition_key(day),
            description=f"Made again: {why}." if is_whole else f"{day} was made again: {why}.",
            metadata={**rows, "table_version": commit.version},
            tags={"dagster/data_version": str(commit.version)},
        )
    )
