"""What a canary is judged on, read from where it lies: captured predictions, outcomes, both versions' evaluation rows.

Nothing is written, and the online store is not drained.
"""

from collections.abc import Iterable
from datetime import datetime

import msgspec
import polars as pl

from mlops_assets.core.canary.canary import OBSERVATIONS, Canary
from mlops_assets.core.canary.evaluation_rows import rows_of_both
from mlops_assets.core.canary.questions import Reference
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.online_store.protocol import OnlineStore
from mlops_assets.core.product_spec import ProductSpec
from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.core.serving.prediction_record import PredictionRecord, decode_record
from mlops_assets.core.times import UTC_TIME

CAPTURED = "served_predictions"
LATENCY_QUANTILE = 0.95
MINIMUM_LATENCY_ROWS = 200
"""A percentile of fewer answers is no limit."""
_LATENCY_ROWS = 20_000
"""How many of the champion's newest answers before the canary its percentile is taken from."""
_PAGE = 10_000


def read_observations(
    spec: ProductSpec, canary: Canary, *, tables: DeltaTables, store: OnlineStore | None, now: datetime
) -> pl.DataFrame:
    """Return the canary's requests with the outcomes known at `now`, as `canary.OBSERVATIONS`.

    They come from the table of captured predictions and from what still waits in the online store; one that is in both
    is there twice, which `comparable` sees to.

    spec, canary: whose requests. tables: the lakehouse. store: where records wait; None leaves them out.

    Raises: OnlineStoreError when the store does not answer.
    """
    first, last = canary.steps[0].sequence, canary.step.sequence
    answered = (
        _captured(spec, first, last, tables=tables, store=store)
        .filter(
            (pl.col("version") == canary.challenger) & (pl.col("role") == "challenger")
            | (pl.col("version") == canary.champion) & (pl.col("role") == "champion")
        )
        .with_columns(is_challenger=pl.col("role") == "challenger")
    )
    return _with_outcomes(answered, spec, tables=tables, now=now).select(list(OBSERVATIONS))


def read_reference(
    spec: ProductSpec,
    canary: Canary,
    *,
    tables: DeltaTables,
    control: ReleaseControl,
    store: OnlineStore | None,
) -> Reference:
    """Return what is known of both versions before the canary: the champion's latency, and what the evaluation's rows
    say about the scores and losses of both.

    spec, canary: whose versions. tables, control: where their evaluation rows and models are. store: where records
    wait; None leaves them out.

    Raises: RegistryError when a model cannot be loaded. OnlineStoreError when the store does not answer.
    """
    limit = spec.release.judge.latency_limit_seconds
    if limit is None:
        before = _captured(spec, 0, canary.steps[0].sequence - 1, tables=tables, store=store)
        limit = _latency_limit(before, canary)
    rows = rows_of_both(spec, canary, tables=tables, control=control)
    if rows is None:
        return Reference(limit)
    return Reference(limit, rows.score_events(), rows.loss_factors(spec.evaluation.cost))


_CAPTURED: dict[str, pl.DataType] = {
    "event_id": pl.String(),
    "entity": pl.String(),
    "plan_sequence": pl.Int64(),
    "version": pl.Int64(),
    "role": pl.String(),
    "received_at": UTC_TIME,
    "score": pl.Float64(),
    "decision": pl.Int8(),
    "latency_seconds": pl.Float64(),
    "has_failed": pl.Boolean(),
}


def _captured(
    spec: ProductSpec, first: int, last: int, *, tables: DeltaTables, store: OnlineStore | None
) -> pl.DataFrame:
    """Predictions under the plans `first` to `last`, collected or still waiting."""
    parts = [_waiting(spec, store, first, last)] if store is not None else []
    if tables.exists(spec.name, CAPTURED):
        kept = tables.scan(spec.name, CAPTURED).filter(pl.col("plan_sequence").is_between(first, last))
        parts.append(kept.select(_from_table(spec)).collect())
    return pl.concat(parts) if parts else pl.DataFrame(schema=_CAPTURED)


def _from_table(spec: ProductSpec) -> list[pl.Expr | str]:
    event_id = pl.col(spec.id_column).cast(pl.String)
    entity = (
        pl.col("request").str.json_path_match(f"$.{spec.entities[0]}")
        if spec.entities
        else pl.lit(None, pl.String)
    )
    return [
        event_id.alias("event_id"),
        entity.fill_null(event_id).alias("entity"),
        "plan_sequence",
        pl.col("model_version").alias("version"),
        "role",
        "received_at",
        "score",
        "decision",
        "latency_seconds",
        pl.col("error").is_not_null().alias("has_failed"),
    ]


def _waiting(spec: ProductSpec, store: OnlineStore, first: int, last: int) -> pl.DataFrame:
    kept: list[tuple[object, ...]] = []
    after = ""
    while page := store.captured(after=after, limit=_PAGE):
        records = (decode_record(captured.content) for captured in page)
        kept += _rows((record for record in records if first <= record.plan_sequence <= last), spec)
        after = page[-1].position
    rows = pl.DataFrame(kept, schema=_CAPTURED | {"received_at": pl.Int64()}, orient="row")
    return rows.with_columns(pl.col("received_at").cast(UTC_TIME))


def _rows(records: Iterable[PredictionRecord], spec: ProductSpec) -> list[tuple[object, ...]]:
    return [
        (
            str(record.event_id),
            _entity(record, spec),
            record.plan_sequence,
            record.version,
            record.role,
            record.received_at,
            record.score,
            record.decision,
            record.latency_seconds,
            record.error is not None,
        )
        for record in records
    ]


def _entity(record: PredictionRecord, spec: ProductSpec) -> str:
    """The entity as its text in JSON, so that a record has the same one before and after it is collected."""
    value = record.request.get(spec.entities[0]) if spec.entities else None
    if value is None:
        return str(record.event_id)
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _with_outcomes(
    answered: pl.DataFrame, spec: ProductSpec, *, tables: DeltaTables, now: datetime
) -> pl.DataFrame:
    """Join the outcome that became known first: a later correction would change what was already looked at."""
    if answered.is_empty() or not tables.exists(spec.name, "labels"):
        unknown = (pl.lit(None, pl.Int8).alias("outcome"), pl.lit(None, UTC_TIME).alias("outcome_known_at"))
        return answered.with_columns(*unknown)
    labels = tables.scan(spec.name, "labels")
    known_at = (
        pl.col("known_at") if "known_at" in tables.schema(spec.name, "labels") else pl.lit(None, UTC_TIME)
    )
    first = (
        labels.select(
            pl.col(spec.id_column).cast(pl.String).alias("event_id"),
            pl.col(spec.label.column).cast(pl.Int8).alias("outcome"),
            known_at.alias("known_at"),
        )
        .filter(pl.col("known_at").is_null() | (pl.col("known_at") <= now))
        .join(answered.lazy().select("event_id").unique(), on="event_id", how="semi")
        .sort("known_at", "outcome")
        .unique("event_id", keep="first", maintain_order=True)
        .collect()
    )
    joined = answered.join(first, on="event_id", how="left")
    # An outcome that was known before the answer tells something from the answer on.
    later = pl.max_horizontal("known_at", "received_at")
    return joined.with_columns(pl.when(pl.col("outcome").is_not_null()).then(later).alias("outcome_known_at"))


def _latency_limit(before: pl.DataFrame, canary: Canary) -> float | None:
    newest = (
        before.filter(
            pl.col("version") == canary.champion, pl.col("role") == "champion", ~pl.col("has_failed")
        )
        .unique(["plan_sequence", "event_id"])
        .top_k(_LATENCY_ROWS, by="received_at")
    )
    return (
        newest["latency_seconds"].quantile(LATENCY_QUANTILE)
        if newest.height >= MINIMUM_LATENCY_ROWS
        else None
    )
