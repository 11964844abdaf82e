"""Scores of a batch: those of the model, decided at the threshold, the same whenever they are made."""

from datetime import UTC, datetime

import polars as pl
import pytest

from mlops_assets.core.errors import FeatureError
from mlops_assets.core.predictions.batch import score_batch
from mlops_assets_tests.support.small_model import small_model, small_rows

AS_OF = datetime(2026, 3, 1, tzinfo=UTC)


def scored(
    rows: pl.DataFrame, *, threshold: float = 0.5, model_as_of: datetime | None = AS_OF
) -> pl.DataFrame:
    return score_batch(
        rows, small_model(), id_column="id", model_version=3, threshold=threshold, model_as_of=model_as_of
    )


def test_each_row_has_its_models_score_under_an_id_of_version_and_event() -> None:
    rows = small_rows(50).sample(fraction=1, shuffle=True, seed=1)
    found = scored(rows)
    assert found["id"].equals(rows["id"])
    assert found["score"].to_list() == small_model().predict(rows).tolist()
    assert found["prediction_id"].to_list() == [f"v3-{event_id}" for event_id in rows["id"]]
    assert found["arm"].unique().to_list() == ["batch"]
    assert scored(rows).equals(found)


def test_a_score_at_the_threshold_is_decided_as_one() -> None:
    rows = small_rows(50)
    scores = scored(rows)["score"]
    threshold = scores.sort()[25]
    found = scored(rows, threshold=threshold)
    assert found["decision"].to_list() == [int(score >= threshold) for score in scores]
    assert found.filter(pl.col("score") == threshold)["decision"].unique().to_list() == [1]
    assert found.schema["decision"] == pl.Int8


def test_times_are_carried_where_there_are_any_and_a_cohort_has_no_as_of() -> None:
    timed = small_rows(3).with_columns(event_timestamp=pl.lit(AS_OF), event_date=pl.lit(AS_OF.date()))
    assert scored(timed)["event_date"].to_list() == [AS_OF.date()] * 3
    cohort = scored(small_rows(3), model_as_of=None)
    assert "event_timestamp" not in cohort.columns
    assert cohort["model_as_of"].to_list() == [None] * 3
    assert cohort.schema["model_as_of"] == pl.Datetime("us", "UTC")


def test_no_rows_give_no_rows_of_the_same_columns() -> None:
    assert scored(small_rows(3).clear()).schema == scored(small_rows(3)).schema


def test_a_missing_feature_is_named() -> None:
    with pytest.raises(FeatureError, match="night"):
        scored(small_rows(3).drop("night"))
