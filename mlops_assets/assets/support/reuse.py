"""Recognises an expensive step whose inputs are those of its last result, so that running again changes nothing."""

import dagster as dg

from mlops_assets.core.identity.identity import Identity
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.product import Product


def earlier_result(
    context: dg.AssetExecutionContext,
    tables: DeltaTables,
    product: Product,
    *nouns: str,
    identity: Identity,
) -> dg.MaterializeResult | None:
    """Return the last materialization again when it was made from the same inputs; None otherwise, saying why.

    `nouns` are all tables that the asset writes, its own first: each of them must have been last written, or found
    right, for the same identity. A result whose event was lost with its process is made again.
    """
    for noun in nouns:
        if not tables.exists(product.name, noun):
            return None
        stored = Identity.read_json(tables.last_commit_info(product.name, noun).inputs)
        if stored != identity:
            told = "is not said" if stored is None else ", ".join(identity.differences(stored))
            context.log.info(f"{noun} is made again; what changed since it was made: {told}")
            return None
    event = context.instance.get_latest_materialization_event(dg.AssetKey([product.name, nouns[0]]))
    materialization = event.asset_materialization if event else None
    if materialization is None:
        return None
    context.log.info(f"{nouns[0]}: the inputs are those of the last result, which stays")
    return dg.MaterializeResult(
        metadata={**materialization.metadata, "changed": dg.MetadataValue.bool(False)},
        data_version=dg.DataVersion(str(tables.version(product.name, nouns[0]))),
    )
