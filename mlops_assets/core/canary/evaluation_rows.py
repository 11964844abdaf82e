"""The evaluation's rows, scored by both versions of a canary: what their scores and losses are expected to be."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from mlops_assets.core.canary.canary import Canary
from mlops_assets.core.canary.harm_ratio import ratio_per_row, ratios_by_stratum
from mlops_assets.core.canary.questions import loss_of_decision
from mlops_assets.core.canary.risk_set import Floats
from mlops_assets.core.canary.score_reference import ScoreEvent, score_events
from mlops_assets.core.contracts.event_identity import first_versions
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.product_spec import Cost, ProductSpec
from mlops_assets.core.registry.artifacts import load_model
from mlops_assets.core.registry.tag_names import THRESHOLD_TAG, TRAINING_SET_TAG
from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.core.times import KNOWN_AT


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
    """Score the challenger's own test rows by both versions; None when either version lacks what that takes.

    Raises: RegistryError when a model cannot be loaded.
    """
    record = control.record(spec.name)
    versions = [record.released_version(number) for number in (canary.champion, canary.challenger)]
    training_set = versions[1].tags.get(TRAINING_SET_TAG)
    if training_set is None or any(THRESHOLD_TAG not in version.tags for version in versions):
        return None
    models = [load_model(control.tracking_uri, one.model_uri, digest=one.digest) for one in versions]
    rows = tables.scan(spec.name, "training_set", version=int(training_set)).filter(pl.col("split") == "test")
    columns = rows.collect_schema().names()
    if any(name not in columns for model in models for name in model.feature_names):
        return None
    order = ["event_timestamp", spec.id_column] if spec.time else [spec.id_column]
    tested = rows.sort(order).collect()
    if tested.is_empty():
        return None
    champion, challenger = (model.predict(tested) for model in models)
    champion_threshold, challenger_threshold = (float(version.tags[THRESHOLD_TAG]) for version in versions)
    return ScoredByBoth(
        champion,
        challenger,
        (champion_threshold, challenger_threshold),
        tuple(_entities(tested, spec, tables)),
        tested[spec.label.column],
    )


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
