"""The parity report's rows of a window as findings."""

import polars as pl

from mlops_assets.core.monitoring.finding import Finding

SERVED = ("feature", "score", "request")
"""Kinds of rows whose values must be equal. A vector that training reads may be another one without a fault: where rows
arrive late."""
ALL_VALUES = "served values"
PARITY_COLUMNS = {
    "event_date": pl.Date,
    "kind": pl.String,
    "feature": pl.String,
    "compared": pl.Int64,
    "different": pl.Int64,
}
"""What is read of the report."""


def parity_findings(rows: pl.DataFrame) -> tuple[Finding, ...]:
    """Return a finding per feature that was served with another value than the offline executor derives.

    One finding says `ok` where all are equal, or that nothing was served, which is inconclusive. rows: of the parity
    report, of the days of a window.
    """
    served = rows.filter(pl.col("kind").is_in(SERVED))
    compared = int(served["compared"].sum())
    if not compared:
        reason = "no request was served in the window, so that there is nothing to compare"
        return (Finding(topic="parity", subject=ALL_VALUES, state="inconclusive", reason=reason),)
    by_feature = served.group_by("kind", "feature").agg(
        pl.col("compared").sum(),
        pl.col("different").sum(),
        first=pl.col("event_date").filter(pl.col("different") > 0).min(),
    )
    differing = by_feature.filter(pl.col("different") > 0).sort("different", "feature", descending=True)
    if differing.is_empty():
        reason = f"all {compared:,} values that were served in the window are those that are derived offline"
        return (Finding(topic="parity", subject=ALL_VALUES, state="ok", reason=reason, value=0.0, limit=0.0),)
    return tuple(
        Finding(
            topic="parity",
            subject=f"request: {row['feature']}" if row["kind"] == "request" else str(row["feature"]),
            state="alarm",
            cause="broken",
            reason=(
                f"{row['different']:,} of {row['compared']:,} values differ between serving and the lakehouse, the "
                f"first on {row['first']}; parity_report says why"
            ),
            value=row["different"] / row["compared"],
            expected=0.0,
            limit=0.0,
            partition=row["first"].isoformat(),
        )
        for row in differing.iter_rows(named=True)
    )
