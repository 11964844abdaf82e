"""What the columns of a product's tables mean, for the schema and lineage shown in the UI."""

from collections.abc import Mapping

import dagster as dg
import polars as pl

from mlops_assets.core.contracts import describe_columns
from mlops_assets.core.product import Product

PLATFORM_COLUMNS = {
    "event_timestamp": "when the event happened, UTC",
    "known_at": "when the platform could know it, UTC",
    "event_date": "UTC day of the event; the table's partition",
    "known_date": "UTC day on which it became known; the table's partition",
    "reasons": "every way in which the row broke the contract",
    "split": "train, validation or test",
    "as_of": "the training set uses only what was known by this time, UTC",
    "prediction_id": "identifies one prediction of one version for one event",
    "score": "probability of a positive label, calibrated",
    "decision": "1 where the score reaches the decision threshold",
    "threshold": "the decision threshold of the version that scored",
    "model_version": "registered version that scored",
    "model_as_of": "the version was made from what was known by this time, UTC; null for a cohort",
    "kind": "metric, difference, slice, slice_difference, fairness or fairness_gap",
    "contender": "whose value it is",
    "against": "with whom it is compared; positive differences mean that the contender is better",
    "slice": "column by which rows are grouped; null for all rows",
    "group": "group of the slice; null for all rows",
    "metric": "name of the metric",
    "value": "the value; null where it is undefined",
    "low": "lower end of the bootstrap interval",
    "high": "upper end of the bootstrap interval",
    "rows": "rows that it rests on",
    "positives": "rows with a positive label among them",
    "degenerate": "resamples in which the metric was undefined",
    "is_enough": "whether the group is large enough to judge",
    "psi": "population stability index of the values that are there",
    "missing_psi": "population stability index of missing against present",
    "window_verdict": "the verdict on the whole window",
    "champion_version": "the released version that the window was compared with",
    "sequence": "number of the release plan, from 1",
    "arm": "which arm of the release plan answered; batch for scores of the predictions asset",
}


def column_schema(product: Product, schema: Mapping[str, pl.DataType]) -> dg.TableSchema:
    """Describe a table's columns in the words of the contract, the feature view and the platform."""
    label = product.spec.label
    words = {**PLATFORM_COLUMNS, label.column: label.description}
    for column in describe_columns(product.event_schema):
        words[column.name] = " ".join(filter(None, [column.description, column.unit and f"[{column.unit}]"]))
    for name in product.view.feature_names:
        doc = product.view.describe(name)
        words[name] = " ".join(
            filter(
                None,
                [doc.description, doc.unit and f"[{doc.unit}]", doc.null_means and f"Null: {doc.null_means}"],
            )
        )
    return dg.TableSchema(
        columns=[
            dg.TableColumn(name, str(dtype), description=words.get(name)) for name, dtype in schema.items()
        ]
    )


def column_lineage(product: Product) -> dg.TableColumnLineage:
    """Which columns of `events` and `labels` each feature is computed from."""
    return dg.TableColumnLineage(
        {
            feature: [
                dg.TableColumnDep(dg.AssetKey([product.name, stream]), column) for stream, column in sources
            ]
            for feature, sources in product.view.lineage.items()
        }
    )
