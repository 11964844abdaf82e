"""The parity report before anything was served; what it finds is tested with its benchmark."""

import dataclasses
from datetime import timedelta
from pathlib import Path

import polars as pl
from msgspec.structs import replace

from mlops_assets.core.features.expressions import col
from mlops_assets.core.features.view import RowFeature
from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.serving.prediction_record import PredictionRecord
from mlops_assets_tests.support.captured import captured_record
from mlops_assets_tests.support.homes.changed_reader import changed_reader
from mlops_assets_tests.support.homes.small_home import INGEST, LAST_DAY, SmallHome, checks_of, metadata_of

CHECKS = ("served_features_match", "requests_match_events", "served_as_trained")


def test_days_without_requests_pass_and_say_so(ingested_home: SmallHome, tmp_path: Path) -> None:
    home = ingested_home.copy(tmp_path / "home")
    result = home.materialize("parity_report", days=(LAST_DAY - timedelta(days=1), LAST_DAY))
    assert checks_of(result) == dict.fromkeys(CHECKS, True)
    metadata = metadata_of(result, home.key("parity_report"))
    assert metadata["summary"].value == "no request was served"
    assert home.read("parity_report").is_empty()


def served_as_stored(home: SmallHome) -> list[PredictionRecord]:
    """A correct service's records of LAST_DAY, all of whose events it knew as they happened."""
    model = home.registry.load(home.name, 1)
    days = DayRange(LAST_DAY, LAST_DAY + timedelta(days=1))
    vectors = home.read("features", days=days).sort("transaction_id")
    events = home.read("events", days=days).sort("transaction_id")
    columns = [name for name in home.product.view.input_columns if name != "known_at"]
    requests = events.select(pl.col(columns)).with_columns(pl.col("event_timestamp").to_physical())
    matrix = vectors.select(pl.col(model.feature_names).cast(pl.Float64))
    scores = model.predict(vectors)
    return [
        replace(
            captured_record(event["transaction_id"], at=at, received_at=at, score=float(score)),
            request=event,
            features=vector,
        )
        for event, at, vector, score in zip(
            requests.iter_rows(named=True), events["event_timestamp"], matrix.iter_rows(), scores, strict=True
        )
    ]


def test_events_that_reach_the_lakehouse_later_than_serving_are_named_as_arrival_delay(
    released_home: SmallHome, tmp_path: Path
) -> None:
    home = released_home.copy(tmp_path / "home")
    home.capture(served_as_stored(home))
    home.materialize("served_predictions")
    result = home.materialize("parity_report", days=LAST_DAY)
    assert checks_of(result) == dict.fromkeys(CHECKS, True)

    def delayed(events: pl.DataFrame) -> pl.DataFrame:
        return events.with_columns(pl.col("known_at") + timedelta(hours=3))

    late = home.with_product(lambda product: changed_reader(product, events=delayed))
    late.materialize(*INGEST, days=LAST_DAY)
    result = late.materialize("parity_report", days=LAST_DAY)
    assert checks_of(result) == {**dict.fromkeys(CHECKS, True), "served_as_trained": False}
    (check,) = (c for c in result.get_asset_check_evaluations() if c.check_name == "served_as_trained")
    count = home.read("served_predictions").height
    assert f"arrival delay: the lakehouse knew {count} of {count} captured events" in str(check.description)
    assert "at most by 3:00:00" in str(check.description)
    rows = home.read("parity_report").filter(pl.col("kind") == "training", pl.col("different") > 0)
    assert rows.height > 0
    assert (
        metadata_of(result, home.key("parity_report"))["values_unlike_training"].value
        == rows["different"].max()
    )


def test_what_a_version_answered_is_compared_by_its_own_view_whatever_is_declared_since(
    released_home: SmallHome, tmp_path: Path
) -> None:
    home = released_home.copy(tmp_path / "home")
    view = home.product.view
    home.capture([replace(one, feature_view=view.digest) for one in served_as_stored(home)])
    home.materialize("served_predictions")
    half = RowFeature("amount_usd", col("amount_usd") * 0.5, "half of what was paid")
    features = tuple(half if one.name == "amount_usd" else one for one in view.features)
    changed = home.with_product(
        lambda product: dataclasses.replace(
            product, view=dataclasses.replace(product.view, features=features)
        )
    )
    result = changed.materialize("parity_report", days=LAST_DAY)
    assert checks_of(result) == dict.fromkeys(CHECKS, True)
    rows = changed.read("parity_report")
    assert set(rows.filter(kind="feature")["feature_view"]) == {view.digest}
    assert rows.filter(kind="feature", feature="amount_usd")["compared"].sum() > 0
    assert rows.filter(kind="training").is_empty(), "training reads vectors of another view"
    told = [str(check.description) for check in result.get_asset_check_evaluations()]
    assert all(one.startswith(f"version 1, {LAST_DAY} to {LAST_DAY}: ") for one in told)
