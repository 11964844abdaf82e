"""Recognises an expensive step whose inputs are those of its last result, so that running again changes nothing."""

import dagster as dg

from mlops_assets.core.product import Product
from mlops_assets.resources.lakehouse import LakehouseResource


def earlier_result(
    context: dg.AssetExecutionContext,
    lakehouse: LakehouseResource,
    product: Product,
    noun: str,
    *,
    inputs: str,
) -> dg.MaterializeResult | None:
    """Return the last materialization again when its table was made from the same `inputs`; None otherwise.

    The table's commit carries the digest of its inputs; a result whose event was lost with its process is made again.
    """
    tables = lakehouse.tables
    if not tables.exists(product.name, noun) or tables.last_commit_info(product.name, noun).inputs != inputs:
        return None
    event = context.instance.get_latest_materialization_event(dg.AssetKey([product.name, noun]))
    materialization = event.asset_materialization if event else None
    if materialization is None:
        return None
    context.log.info(f"{noun}: the inputs are those of the last result, which stays")
    return dg.MaterializeResult(
        metadata={**materialization.metadata, "changed": dg.MetadataValue.bool(False)},
        data_version=dg.DataVersion(str(tables.version(product.name, noun))),
    )
