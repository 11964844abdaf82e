"""Parity: every captured feature vector beside the one that the offline executor derives for the same request.

There is no tolerance: two values agree when both are null, or when their 64 bits are equal.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from mlops_assets.core.errors import MonitoringError
from mlops_assets.core.features.online.seen_events import IS_CAPTURED
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.parity.diagnosis import NOT_EXAMINED, diagnose
from mlops_assets.core.parity.replay import Replay
from mlops_assets.core.parity.suspect import Suspect, is_same

Floats = npt.NDArray[np.float64]
SCORE = "score"
SERVED_KINDS = ("feature", "score")
"""Kinds of rows that compare what was served with what the offline executor derives."""
TRAINING = "training"
"""Kind of rows that compare what was served with the vector that training reads."""
SUSPECTS = 16
"""Requests whose vectors differ that are looked into for a cause."""
SCHEMA = {
    "event_date": pl.Date,
    "kind": pl.String,
    "feature": pl.String,
    "feature_view": pl.String,
    "compared": pl.Int64,
    "different": pl.Int64,
    "share": pl.Float64,
    "largest_difference": pl.Float64,
    "example_id": pl.String,
    "served": pl.String,
    "derived": pl.String,
    "diagnosis": pl.String,
}
_DAY = "event_date"


@dataclass(frozen=True)
class ParityReport:
    """What was compared, and where served and derived differ."""

    rows: pl.DataFrame
    """SCHEMA; one row per day and feature, score or column of the request, of each feature view that versions answered
    by. `event_date` is null for a cohort, `feature_view` (a digest) for columns of the request.
    """
    vectors: int
    """Captured feature vectors; an event that several versions scored counts once for each."""
    different: int
    """Vectors with a feature or a score that differs."""

    @property
    def is_equal(self) -> bool:
        """Whether every vector and every score is the derived one, to the last bit."""
        return self.different == 0

    @property
    def requests_differ(self) -> int:
        """Requests that the lakehouse holds with other content."""
        return self.rows.filter(pl.col("kind") == "request")["different"].max() or 0  # pyright: ignore[reportReturnType]

    @property
    def training_differs(self) -> int:
        """Served values of the feature that most often is another one in training."""
        return self.rows.filter(pl.col("kind") == TRAINING)["different"].max() or 0  # pyright: ignore[reportReturnType]

    @property
    def summary(self) -> str:
        """One sentence."""
        if self.vectors == 0:
            return "no request was served"
        if self.is_equal:
            return f"all {self.vectors:,} served vectors and scores are those of the offline executor, bit for bit"
        wrong = self.rows.filter(pl.col("kind").is_in(SERVED_KINDS), pl.col("different") > 0)
        worst = wrong.sort("different", descending=True).row(0, named=True)
        return (
            f"{self.different:,} of {self.vectors:,} served vectors differ from the offline executor's, most often in "
            f"{worst['feature']} ({worst['example_id']}: served {worst['served']}, derived {worst['derived']}); "
            f"{worst['diagnosis']}"
        )


@dataclass(frozen=True)
class _Compared:
    """The vectors of one version; `day`, `ids` and the rows of the matrices go together."""

    day: pl.Series
    """Null for a cohort."""
    ids: pl.Series
    names: tuple[str, ...]
    served: Floats
    derived: Floats

    @cached_property
    def wrong(self) -> npt.NDArray[np.bool_]:
        """Which cells differ; null is NaN."""
        return ~is_same(self.served, self.derived)


def compare(captured: pl.DataFrame, replay: Replay, models: Mapping[int, TrainedModel]) -> ParityReport:
    """Compare captured predictions with what `replay` derives, and score their vectors again by `models`.

    captured: rows of `served_predictions` without an error, with `event_date` unless it is a cohort.

    Raises: MonitoringError for a vector of another length than its version's.
    """
    if captured.is_empty():
        return ParityReport(pl.DataFrame(schema=SCHEMA), 0, 0)
    versions = list(_by_version(captured, replay, models))
    cause = diagnose(replay, list(_suspects(replay, [vectors for vectors, _ in versions])))
    cause |= _score_cause([scores for _, scores in versions])
    rows = [
        _rows(part, position, cause)
        for version in versions
        for part in version
        for position in range(len(part.names))
    ]
    different = sum(int((v.wrong.any(axis=1) | s.wrong.any(axis=1)).sum()) for v, s in versions)
    order = [*replay.view.feature_names, SCORE]
    merged = _merged(pl.concat(rows), order, view=replay.view.digest)
    return ParityReport(merged, captured.height, different)


def compare_with_training(
    captured: pl.DataFrame,
    stored: pl.DataFrame,
    models: Mapping[int, TrainedModel],
    *,
    id_column: str,
    view_digest: str,
    cause: str,
) -> pl.DataFrame:
    """Compare captured vectors with the stored vectors of `features`, which training reads.

    One row of SCHEMA per day and feature, of the kind TRAINING; an event without a stored vector is not compared.

    captured: as in `compare`. stored: rows of `features` with `id_column`. models: by version. view_digest: of the view
    that both are of. cause: the diagnosis of values that differ.

    Raises: MonitoringError for a vector of another length than its version's.
    """
    rows, order = [pl.DataFrame(schema=SCHEMA)], [name for name in stored.columns if name != id_column]
    known = stored.select(
        id_column, *(pl.col(name).cast(pl.Float64) for name in order if _is_number(stored, name))
    )
    for (version,), given in captured.group_by("model_version", maintain_order=True):
        model = models[version]  # pyright: ignore[reportArgumentType]
        mine = given.join(known.select(id_column), on=id_column, how="semi", maintain_order="left")
        names = tuple(name for name in model.feature_names if name in known.columns)
        if mine.is_empty() or not names:
            continue
        theirs = mine.select(id_column).join(known, on=id_column, how="left", maintain_order="left")
        columns = [model.feature_names.index(name) for name in names]
        days = mine[_DAY] if _DAY in mine.columns else pl.repeat(None, mine.height, dtype=pl.Date, eager=True)
        derived = theirs.select(names).to_numpy(order="c")
        compared = _Compared(days, mine[id_column], names, _served(mine, model)[:, columns], derived)
        rows += [_rows(compared, position, dict.fromkeys(names, cause)) for position in range(len(names))]
    merged = _merged(pl.concat(rows), order, view=view_digest)
    return merged.with_columns(kind=pl.lit(TRAINING)).select(SCHEMA.keys())


def _is_number(frame: pl.DataFrame, name: str) -> bool:
    return frame.schema[name].is_numeric() or frame.schema[name] == pl.Boolean()


def _by_version(
    captured: pl.DataFrame, replay: Replay, models: Mapping[int, TrainedModel]
) -> Iterator[tuple[_Compared, _Compared]]:
    """Yield the vectors and the scores of each version."""
    key = replay.view.id_column
    names = [n for n in replay.view.feature_names if any(n in m.feature_names for m in models.values())]
    ids = captured[key].unique(maintain_order=True)
    derived = replay.vectors(ids, names)
    place = ids.to_frame().with_row_index("place")
    for (version,), rows in captured.group_by("model_version", maintain_order=True):
        model = models[version]  # pyright: ignore[reportArgumentType]
        days = rows[_DAY] if _DAY in rows.columns else pl.repeat(None, rows.height, dtype=pl.Date, eager=True)
        places = rows.select(key).join(place, on=key, how="left", maintain_order="left")["place"].to_numpy()
        columns = [names.index(name) for name in model.feature_names]
        served = _served(rows, model)
        scores = rows[SCORE].to_numpy().reshape(-1, 1)
        yield (
            _Compared(days, rows[key], model.feature_names, served, derived[places][:, columns]),
            _Compared(days, rows[key], (SCORE,), scores, model.predict_matrix(served).reshape(-1, 1)),
        )


def _served(rows: pl.DataFrame, model: TrainedModel) -> Floats:
    width = len(model.feature_names)
    other = rows.filter(pl.col("features").list.len() != width)
    if other.height:
        raise MonitoringError(
            f"{other.height} captured vectors do not have the {width} features of their version, for example "
            f"{other['prediction_id'][0]}"
        )
    return rows["features"].explode().cast(pl.Float64).to_numpy().reshape(-1, width)


def _suspects(replay: Replay, compared: Sequence[_Compared]) -> Iterator[Suspect]:
    """The earliest differing requests, at most one per entity: a later one may differ for more causes than one."""
    found = [(c, row) for c in compared for row in np.flatnonzero(c.wrong.any(axis=1))]
    if not found:
        return
    key, view = replay.view.id_column, replay.view
    entities = list(dict.fromkeys(feature.entity for feature in view.window_features))
    time = [] if view.event_timestamp is None else [replay.time]
    events = replay.events.filter(pl.col(IS_CAPTURED)).unique(key, keep="first", maintain_order=True)
    of_id = {row[0]: row[1:] for row in events.select(key, *entities, *time).iter_rows()}
    if time:
        found.sort(key=lambda pair: of_id[pair[0].ids[int(pair[1])]][-1])
    seen: set[tuple[str, object]] = set()
    count = 0
    for one, row in found:
        event_id = one.ids[int(row)]
        keys = set(zip(entities, of_id[event_id], strict=False)) or {("id", event_id)}
        if keys & seen:
            continue
        seen |= keys
        wrong = frozenset(name for name, is_wrong in zip(one.names, one.wrong[row], strict=True) if is_wrong)
        yield Suspect(event_id, one.names, one.served[row], wrong)
        count += 1
        if count == SUSPECTS:
            return


def _score_cause(scores: Sequence[_Compared]) -> dict[str, str]:
    """Say why scores differ from those of the served vectors."""
    wrong = [(c.served[c.wrong], c.derived[c.wrong]) for c in scores if c.wrong.any()]
    if not wrong:
        return {}
    served, derived = (np.concatenate(side) for side in zip(*wrong, strict=True))
    if np.array_equal(served, derived.astype(np.float32).astype(np.float64)):
        return {SCORE: "float32 cast: the score was rounded to 32 bits"}
    return {SCORE: "unexplained: the version's model gives another score for the served vector"}


def _rows(compared: _Compared, position: int, cause: Mapping[str, str]) -> pl.DataFrame:
    """Count one feature per day, with the first example of a difference."""
    name = compared.names[position]
    cells = pl.DataFrame(
        {
            _DAY: compared.day,
            "id": compared.ids.cast(pl.String),
            "wrong": compared.wrong[:, position],
            "served": pl.Series(compared.served[:, position]).fill_nan(None),
            "derived": pl.Series(compared.derived[:, position]).fill_nan(None),
        }
    )
    first = pl.col("id", "served", "derived").filter("wrong").first()
    distance = (pl.col("served") - pl.col("derived")).abs().filter("wrong").max()
    counted = cells.group_by(_DAY, maintain_order=True).agg(
        pl.len().cast(pl.Int64).alias("compared"),
        pl.col("wrong").sum().cast(pl.Int64).alias("different"),
        distance.alias("largest_difference"),
        first,
    )
    return counted.select(
        _DAY,
        pl.lit("score" if name == SCORE else "feature").alias("kind"),
        pl.lit(name).alias("feature"),
        pl.lit(None, pl.String).alias("feature_view"),
        "compared",
        "different",
        pl.lit(0.0).alias("share"),
        "largest_difference",
        pl.col("id").alias("example_id"),
        *(_text(side) for side in ("served", "derived")),
        pl.when(pl.col("different") > 0).then(pl.lit(cause.get(name, NOT_EXAMINED))).alias("diagnosis"),
    )


def _text(side: str) -> pl.Expr:
    is_null = pl.col(side).is_null() & pl.col("id").is_not_null()
    return (
        pl.when(is_null)
        .then(pl.lit("null"))
        .otherwise(pl.col(side).map_elements(repr, pl.String))
        .alias(side)
    )


def _merged(rows: pl.DataFrame, order: Sequence[str], *, view: str) -> pl.DataFrame:
    """Add up the versions, whose features are all of one view."""
    place = {name: number for number, name in enumerate(order)}
    return (
        rows.group_by(_DAY, "kind", "feature", maintain_order=True)
        .agg(
            pl.col("compared", "different").sum(),
            pl.col("largest_difference").max(),
            pl.col("example_id", "served", "derived", "diagnosis").drop_nulls().first(),
        )
        .with_columns(share=pl.col("different") / pl.col("compared"), feature_view=pl.lit(view))
        .sort(_DAY, pl.col("feature").replace_strict(place, return_dtype=pl.Int64))
        .select(SCHEMA.keys())
        .cast(SCHEMA)  # pyright: ignore[reportArgumentType]
    )
