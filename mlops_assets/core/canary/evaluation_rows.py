"""The evaluation's rows, scored by both versions of a canary: what their scores and losses are expected to be."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from mlops_assets.core.canary.canary import Canary
from mlops_assets.core.canary.harm_ratio import ratio_per_row, ratios_by_stratum
from mlops_assets.core.canary.questions import loss_of_decision
from mlops_assets.core.canary.risk_set import Floats
from mlops_assets.core.canary.score_reference import ScoreEvent, score_events
from mlops_assets.core.contracts.event_identity import first_versions
from mlops_assets.core.errors import FeatureError, RegistryError
from mlops_assets.core.lakehouse.day_range import days_of
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.product_spec import Cost, ProductSpec
from mlops_assets.core.registry.artifacts import load_model
from mlops_assets.core.registry.learned_rows import held_out_rows, rows_learned_by
from mlops_assets.core.registry.registry import ModelRegistry
from mlops_assets.core.registry.tag_names import (
    HELD_OUT_TAG,
    LEARNED_ROWS_TAG,
    THRESHOLD_TAG,
    TRAINING_SET_TAG,
    VIEW_TAG,
)
from mlops_assets.core.registry.version import ModelVersion
from mlops_assets.core.registry.version_view import version_view
from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.core.times import KNOWN_AT
from mlops_assets.core.training.view_features import features_of_days


@dataclass(frozen=True)
class ScoredByBoth:
    """Labelled rows with the scores of both versions, in the order of their time."""

    champion: Floats
    challenger: Floats
    thresholds: tuple[float, float]
    """The champion's and the challenger's."""
    entities: tuple[object, ...]
    outcomes: pl.Series

    def score_events(self) -> tuple[ScoreEvent, ...]:
        """Return what is expected of the scores."""
        champion_threshold, challenger_threshold = self.thresholds
        return score_events(
            self.champion,
            self.challenger,
            self.entities,
            champion_threshold=champion_threshold,
            challenger_threshold=challenger_threshold,
        )

    def loss_factors(self, cost: Cost) -> tuple[float, ...]:
        """Return, by stratum, by how much the ratio of first losses may lie above that of all losses.

        A version whose mistakes keep to fewer customers has fewer first mistakes, at the same losses.
        """
        champion, challenger = (
            self._losses(scores, threshold, cost)
            for scores, threshold in zip((self.champion, self.challenger), self.thresholds, strict=True)
        )
        is_known = self.outcomes.is_not_null().to_numpy()
        entity = np.unique(np.array(self.entities, dtype=np.str_)[is_known], return_inverse=True)[1]
        rows = challenger[is_known], champion[is_known], entity
        per_row = ratio_per_row(*rows)
        return tuple(one.minus(per_row).bounds[2] for one in ratios_by_stratum(*rows))

    def _losses(self, scores: Floats, threshold: float, cost: Cost) -> Floats:
        decided = pl.DataFrame({"decision": scores >= threshold, "outcome": self.outcomes})
        return decided.select(loss_of_decision(cost)).to_series().to_numpy()


def rows_of_both(
    spec: ProductSpec, canary: Canary, *, tables: DeltaTables, control: ReleaseControl
) -> ScoredByBoth | None:
    """Score the challenger's own test rows by both versions, each by the view that it was trained with.

    Rows that the champion learned from are left out: on those its scores are sharper than on what it will answer. None
    when either version lacks what that takes, or no row is left.

    Raises: RegistryError when a model cannot be loaded.
    """
    record = control.record(spec.name)
    versions = [record.released_version(number) for number in (canary.champion, canary.challenger)]
    if TRAINING_SET_TAG not in versions[1].tags or any(THRESHOLD_TAG not in one.tags for one in versions):
        return None
    models = [load_model(control.tracking_uri, one.model_uri, digest=one.digest) for one in versions]
    try:
        tested, seen = _both_views(
            spec, versions, models[0], tables=tables, tracking_uri=control.tracking_uri
        )
    except (FeatureError, RegistryError):
        return None
    if tested.is_empty() or any(
        name not in rows.columns
        for model, rows in zip(models, (seen, tested), strict=True)
        for name in model.feature_names
    ):
        return None
    champion, challenger = models[0].predict(seen), models[1].predict(tested)
    champion_threshold, challenger_threshold = (float(version.tags[THRESHOLD_TAG]) for version in versions)
    return ScoredByBoth(
        champion,
        challenger,
        (champion_threshold, challenger_threshold),
        tuple(_entities(tested, spec, tables)),
        tested[spec.label.column],
    )


def _both_views(
    spec: ProductSpec,
    versions: Sequence[ModelVersion],
    champion: TrainedModel,
    *,
    tables: DeltaTables,
    tracking_uri: str,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The challenger's test rows as it sees them and, in the same order, as the champion does.

    spec, tables, tracking_uri: where they are. versions: the champion and the challenger. champion: its model.
    """
    released, challenger = versions
    run_tags = ModelRegistry(tracking_uri).run_tags
    rows = held_out_rows(
        tables,
        spec.name,
        version=int(challenger.tags[TRAINING_SET_TAG]),
        digest=run_tags(challenger.run_id).get(HELD_OUT_TAG),
        id_column=spec.id_column,
    )
    order = ["event_timestamp", spec.id_column] if spec.time else [spec.id_column]
    tested = rows.filter(pl.col("split") == "test").sort(order)
    if released.run_id != challenger.run_id and LEARNED_ROWS_TAG in run_tags(released.run_id):
        learned = rows_learned_by(tracking_uri, released, champion, tables=tables, id_column=spec.id_column)
        tested = tested.filter(~pl.col(spec.id_column).is_in(learned.implode()))
    if released.tags.get(VIEW_TAG) == challenger.tags.get(VIEW_TAG):
        return tested, tested
    view = version_view(tracking_uri, released, declared=None)
    days = days_of(tested, order[0] if spec.time else None)
    vectors = features_of_days(tables, spec.name, view, days=days)
    kept = tested.filter(pl.col(spec.id_column).is_in(vectors[spec.id_column].implode()))
    ids = kept.select(spec.id_column)
    return kept, ids.join(vectors, on=spec.id_column, how="left", maintain_order="left")


def _entities(tested: pl.DataFrame, spec: ProductSpec, tables: DeltaTables) -> list[object]:
    """The first entity of each row, from the events; the row's own id where a product has none."""
    if not spec.entities:
        return tested[spec.id_column].to_list()
    times = [KNOWN_AT] if spec.time else []
    read = (
        tables.scan(spec.name, "events")
        .select(spec.id_column, spec.entities[0], *times)
        .join(tested.lazy().select(spec.id_column), on=spec.id_column, how="semi")
        .collect()
    )
    events = first_versions(read, id_column=spec.id_column).select(spec.id_column, spec.entities[0])
    return tested.join(events, on=spec.id_column, how="left", maintain_order="left")[
        spec.entities[0]
    ].to_list()
