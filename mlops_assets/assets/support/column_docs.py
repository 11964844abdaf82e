"""What the columns of a product's tables mean, for the schema and lineage shown in the UI."""

from collections.abc import Mapping

import dagster as dg
import polars as pl

from mlops_assets.core.contracts.contract import describe_columns
from mlops_assets.core.product import Product

PLATFORM_COLUMNS = {
    "event_timestamp": "when the event happened, UTC",
    "known_at": "when the platform could know it, UTC",
    "event_date": "UTC day of the event; the table's partition",
    "known_date": "UTC day on which it became known; the table's partition",
    "unreadable": "JSON of what stood in columns that are null since it could not be read; else null",
    "reasons": "every way in which the row broke the contract",
    "feature_view": "digest of the feature view that made the features of the row; null where nothing tells",
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
    "window_verdict": "the verdict on the whole window",
    "champion_version": "the released version that the window was compared with",
    "sequence": "number of the release plan, from 1",
    "arm": "which arm of the release plan answered; batch for scores of the predictions asset",
}


_REPORT_COLUMNS = {
    "event_date": "last UTC day of the window; the table's partition",
    "rows": "outcomes in the window",
}
TABLE_COLUMNS: Mapping[str, Mapping[str, str]] = {
    "drift_report": {
        **_REPORT_COLUMNS,
        "column": "feature, or the score",
        "role": "feature or score",
        "verdict": "stable, drift, or inconclusive",
        "moved": "share of rows that would have to move to give the reference's histogram, of the deciding part",
        "expected": "the same of a window in which nothing happened",
        "limit": "the share at which the column counts as drifted; null where the history is too short",
        "part": "what decided: values, whether they are missing, or the rest beside the usual value",
        "importance": "share of the model's gain",
        "consequence": "moved times importance; the score has importance 1",
        "missing_share_reference": "share of missing values in the reference",
        "missing_share_current": "share of missing values in the window",
        "mean_reference": "mean in the reference",
        "mean_current": "mean in the window",
        "reason": "what the verdict rests on",
    },
    "performance_report": {
        **_REPORT_COLUMNS,
        "title": "the metric's name for people",
        "reference_value": "the champion's value on its own test rows",
        "reference_low": "lower end of that value's interval",
        "reference_high": "upper end of that value's interval",
        "limit": "value beyond which the window is degraded; primary metric only",
    },
    "fairness_report": {
        **_REPORT_COLUMNS,
        "rows": "outcomes of the group in the window",
        "state": "ok, alarm or inconclusive",
        "reason": "what the state rests on",
        "reference_value": "the champion's value for the group on its own test rows",
        "limit": "value beyond which it alarms",
    },
    "verdicts": {
        "event_date": "last UTC day of the window; the table's partition",
        "topic": "what is watched",
        "subject": "column, metric, group or resource that it speaks of",
        "state": "ok, alarm or inconclusive",
        "cause": "broken or changed; null where neither is said",
        "reason": "one sentence with its numbers",
        "low": "lower end of the value's interval",
        "high": "upper end of the value's interval",
        "expected": "what the reference leads one to expect",
        "limit": "value at which it alarms",
        "consequence": "how much it matters, comparable inside the product; null where unknown",
        "partition": "day that it points at; null for the whole window",
    },
    "online_features": {
        "as_of": "rows known before this time were loaded, UTC",
        "loaded_at": "when the load ended, UTC",
        "states": "entities whose state was looked at",
        "changed_states": "states that the load changed",
        "event_rows": "versions of events that were loaded",
        "label_rows": "versions of labels that were loaded",
        "events_version": "version of the table events that the rows are from",
        "labels_version": "version of the table labels that the rows are from",
        "feature_view": "digest of the feature view that the states are for",
        "store": "identity of the online store",
    },
    "parity_report": {
        "event_date": "UTC day of the requests' events; the table's partition",
        "kind": "feature, score, or request for a column of the request itself",
        "feature": "name of the feature or column",
        "feature_view": "digest of the view that the feature is of; null for a column of the request",
        "compared": "values that were compared",
        "different": "values whose 64 bits differ, or of which one is null",
        "share": "different / compared",
        "largest_difference": "of numbers; of times in seconds",
        "example_id": "id of the first event that differs",
        "served": "what the service gave, or was asked; text",
        "derived": "what the offline executor gives, or the lakehouse holds; text",
        "diagnosis": "the kind of skew that explains the differences",
    },
    "hyperparameters": {
        "trial": "number of the trial; 0 is the declared setting",
        "value": "validation metric at the best round; null unless complete",
        "rounds": "best boosting round",
        "seconds": "duration of the trial",
        "state": "complete, failed or cut by the timeout",
        "is_best": "whether this setting was chosen",
        "parameters": "the chosen setting as JSON, the same in every row",
    },
}
"""Columns that mean something else, or something more, in one table."""


def column_schema(product: Product, noun: str, schema: Mapping[str, pl.DataType]) -> dg.TableSchema:
    """Describe the columns of the table `noun` in the words of the contract, the feature view and the platform."""
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
    words.update(TABLE_COLUMNS.get(noun, {}))
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
