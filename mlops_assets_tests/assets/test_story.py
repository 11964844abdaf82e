"""From raw rows to reports in real Dagster runs: what a run writes, what it says, and that running again is free."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from mlops_assets.core.errors import RegistryError
from mlops_assets.core.product import Product, Reader, SourceContext
from mlops_assets.core.release.champion import load_champion, reference_rows
from mlops_assets_tests.support.homes.small_home import (
    AS_OF,
    CANDIDATE,
    FIRST_DAY,
    FIRST_MONTH,
    INGEST,
    LAST_DAY,
    REPORTS,
    RETRAIN,
    SCORE,
    SmallHome,
    metadata_of,
    small_spec,
)

DAY = date(2018, 4, 20)
SHOWN_TABLES = (*INGEST, *SCORE, *REPORTS, "training_set", "hyperparameters", "model", "evaluation", "bento")
PICTURES = {
    "events": {"rows_per_day"},
    "features": {"distributions"},
    "hyperparameters": {"trials"},
    "model": {"validation_curve"},
    "evaluation": {"precision_recall", "roc", "calibration", "differences", "slices", "contributions"},
    "predictions": {"scores"},
    "drift_report": {"drift"},
}


def latest_metadata(home: SmallHome, noun: str) -> dict[str, dg.MetadataValue]:
    with home.instance() as instance:
        event = instance.get_latest_materialization_event(home.key(noun))
    assert event is not None
    assert event.asset_materialization is not None
    return dict(event.asset_materialization.metadata)


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def test_a_month_of_partitions_is_one_run_and_one_commit_per_table(ingested_home: SmallHome) -> None:
    with ingested_home.instance() as instance:
        runs = instance.get_runs()
        stored = instance.get_materialized_partitions(ingested_home.key("features"))
    assert len(runs) == 2
    assert stored == {str(FIRST_DAY + timedelta(days=number)) for number in range(61)}
    for noun in INGEST:
        history = ingested_home.tables.history("fraud_detection", noun)
        assert [entry["run_id"] for entry in history] in (
            [run.run_id for run in runs],
            [runs[1].run_id],  # a table that the second month adds no row to
        )
    assert ingested_home.read("events")["event_date"].n_unique() == 61


def test_every_raw_row_is_an_event_with_one_feature_vector_and_a_label_in_time(
    ingested_home: SmallHome,
) -> None:
    raw, events, features, labels = (
        ingested_home.read(noun) for noun in ("raw_events", "events", "features", "labels")
    )
    assert raw.height == events.height == features.height > 4000
    assert ingested_home.read("rejected_events").height == 0
    assert features["transaction_id"].n_unique() == features.height
    due = events.filter(
        pl.col("event_timestamp") < midnight(LAST_DAY + timedelta(days=1)) - timedelta(days=7)
    )
    assert labels["transaction_id"].sort().equals(due["transaction_id"].sort())


def test_a_single_partition_replaces_just_its_day(ingested_home: SmallHome, tmp_path: Path) -> None:
    options = {**small_spec().source.options, "seed": 1}
    home = ingested_home.copy(tmp_path / "home", source={"options": options})
    assert home.materialize(*INGEST, days=DAY).success
    is_day = pl.col("event_date") == DAY
    for noun in ("raw_events", "events", "features"):
        before, after = (one.read(noun).sort("transaction_id") for one in (ingested_home, home))
        assert_frame_equal(after.filter(~is_day), before.filter(~is_day))
        assert not after.filter(is_day)["transaction_id"].is_empty()
        assert not after.filter(is_day).equals(before.filter(is_day))
        assert home.table_versions()[noun] == ingested_home.table_versions()[noun] + 1


def test_a_backfill_equals_its_days_one_by_one(ingested_home: SmallHome, tmp_path: Path) -> None:
    home = SmallHome(tmp_path / "home", ingested_home.product)
    for number in range(2):
        home.materialize(*INGEST, days=FIRST_DAY + timedelta(days=number))
    is_first = pl.col("event_date") < FIRST_DAY + timedelta(days=2)
    for noun in ("events", "features"):
        stored, whole = (one.read(noun).sort("transaction_id") for one in (home, ingested_home))
        assert_frame_equal(stored, whole.filter(is_first))


def test_running_everything_again_changes_nothing(released_home: SmallHome, tmp_path: Path) -> None:
    home = released_home.copy(tmp_path / "home")
    tables, runs = home.table_versions(), home.mlflow_runs()
    plan, versions = home.standing(), home.registry.versions("fraud_detection")
    home.materialize(*INGEST, days=FIRST_MONTH)
    home.materialize(*RETRAIN, as_of=AS_OF)
    home.materialize(*SCORE, days=(AS_OF, LAST_DAY))
    home.materialize(*REPORTS, days=(LAST_DAY - timedelta(days=1), LAST_DAY))
    assert home.table_versions() == tables
    assert home.mlflow_runs() == runs
    assert home.registry.versions("fraud_detection") == versions
    assert home.standing() == plan
    assert home.read("release").height == 1


def test_every_table_says_rows_columns_version_and_place(released_home: SmallHome) -> None:
    for noun in SHOWN_TABLES:
        metadata = latest_metadata(released_home, noun)
        stored = released_home.tables.schema("fraud_detection", noun)
        schema = metadata["dagster/column_schema"].value
        assert isinstance(schema, dg.TableSchema)
        assert [column.name for column in schema.columns] == list(stored), noun
        version = metadata["table_version"].value
        assert version == released_home.tables.version("fraud_detection", noun), noun
        assert str(metadata["dagster/uri"].value).endswith(f"/tables/fraud_detection/{noun}")
        assert metadata["dagster/row_count"].value is not None
    assert latest_metadata(released_home, "training_set")["dagster/row_count"].value == 2857


@pytest.mark.parametrize("noun", INGEST)
def test_every_column_of_the_data_is_described(released_home: SmallHome, noun: str) -> None:
    schema = latest_metadata(released_home, noun)["dagster/column_schema"].value
    assert isinstance(schema, dg.TableSchema)
    assert [column.name for column in schema.columns if not column.description] == []


def test_features_name_the_columns_that_they_are_computed_from(released_home: SmallHome) -> None:
    lineage = latest_metadata(released_home, "features")["dagster/column_lineage"].value
    assert isinstance(lineage, dg.TableColumnLineage)
    assert set(lineage.deps_by_column) == set(released_home.product.view.feature_names)
    sources = {
        (*dep.asset_key.path[1:], dep.column_name)
        for dep in lineage.deps_by_column["terminal_fraud_share_7d"]
    }
    assert ("labels", "is_fraud") in sources
    assert ("events", "is_fraud") not in sources


@pytest.mark.parametrize("noun", PICTURES)
def test_stages_where_a_person_would_rather_look_show_a_picture(released_home: SmallHome, noun: str) -> None:
    metadata = latest_metadata(released_home, noun)
    for name in PICTURES[noun]:
        text = str(metadata[name].value)
        assert text.startswith("![")
        assert "data:image/png;base64,iVBOR" in text
        assert len(text) < 400_000


def test_each_window_of_a_report_has_its_own_verdict(released_home: SmallHome) -> None:
    for noun, verdicts in (
        ("drift_report", {"stable", "drift", "inconclusive"}),
        ("performance_report", {"stable", "degraded", "inconclusive"}),
    ):
        for number in (1, 0):
            day = str(LAST_DAY - timedelta(days=number))
            with released_home.instance() as instance:
                records = instance.fetch_materializations(
                    dg.AssetRecordsFilter(asset_key=released_home.key(noun), asset_partitions=[day]), limit=1
                ).records
            (record,) = records
            assert record.asset_materialization is not None
            metadata = {k: v.value for k, v in record.asset_materialization.metadata.items()}
            assert metadata["window_end"] == day
            assert metadata["verdict"] in verdicts
            assert metadata["champion_version"] == 1
            assert metadata["reason"]
            served = str(metadata["evidently_report"]).removeprefix(f"{released_home.settings.reports_url}/")
            assert (released_home.settings.reports / served).stat().st_size > 10_000
        stored = released_home.read(noun)
        assert stored["event_date"].unique().sort().to_list() == [LAST_DAY - timedelta(days=1), LAST_DAY]
        assert stored["champion_version"].unique().to_list() == [1]


def test_predictions_are_the_released_models_scores_of_the_features(released_home: SmallHome) -> None:
    model = released_home.registry.load("fraud_detection", 1)
    predictions = released_home.read("predictions").sort("transaction_id")
    features = released_home.read("features").join(predictions.select("transaction_id"), on="transaction_id")
    expected = model.predict(features.sort("transaction_id"))
    assert predictions["score"].to_list() == expected.tolist()
    assert predictions["event_date"].min() == AS_OF
    assert predictions["model_version"].unique().to_list() == [1]


def test_a_sample_of_the_reference_has_the_scores_of_the_whole(released_home: SmallHome) -> None:
    tables, product = released_home.tables, released_home.product
    champion = load_champion(released_home.control, product.name)
    whole = reference_rows(tables, product, champion)
    sample = reference_rows(tables, product, champion, at_most=10)
    assert sample.height == 10
    assert sample.join(whole, on=["transaction_id", "score"], how="semi").height == 10
    assert reference_rows(tables, product, champion, at_most=whole.height).equals(whole)


def test_an_outcome_appears_on_the_day_on_which_it_became_known(released_home: SmallHome) -> None:
    outcomes = released_home.read("outcomes")
    assert outcomes["known_date"].min() == AS_OF + timedelta(days=7)
    assert outcomes.select((pl.col("known_at") - pl.col("event_timestamp") == timedelta(days=7)).all()).item()


def corrected(product: Product, *, day: date, transaction_id: int) -> Product:
    """The same product, whose source corrects one outcome on `day`."""
    kind = product.spec.source.kind
    reader = product.readers[kind]

    def labels(context: SourceContext, *, start: datetime | None, end: datetime | None) -> pl.DataFrame:
        found = reader.labels(context, start=start, end=end)
        if start is None or end is None or not start <= midnight(day) < end:
            return found
        every = reader.labels(context, start=None, end=None)
        correction = every.filter(pl.col("transaction_id") == transaction_id).with_columns(
            is_fraud=1 - pl.col("is_fraud"), known_at=pl.lit(midnight(day)).cast(every["known_at"].dtype)
        )
        assert correction.height == 1
        return pl.concat([found, correction])

    return replace(product, readers={kind: Reader(reader.events, labels)})


def test_a_late_correction_changes_no_training_set_as_of_before_it(
    released_home: SmallHome, tmp_path: Path
) -> None:
    home = released_home.copy(tmp_path / "home")
    before = home.read("training_set")
    chosen = before.filter(pl.col("split") == "test")["transaction_id"][-1]
    home = home.with_product(lambda product: corrected(product, day=AS_OF, transaction_id=chosen))
    labels = home.read("labels").height
    home.materialize("labels", days=AS_OF)
    assert home.read("labels").height == labels + 1

    result = home.materialize("training_set", as_of=AS_OF)
    assert metadata_of(result, home.key("training_set"))["changed"].value is False
    assert_frame_equal(home.read("training_set"), before)

    home.materialize("training_set", as_of=AS_OF + timedelta(days=1))
    is_chosen = pl.col("transaction_id") == chosen
    after = home.read("training_set").filter(is_chosen)["is_fraud"].to_list()
    assert after == [1 - before.filter(is_chosen)["is_fraud"][0]]


def test_the_verdicts_of_another_model_register_nothing(released_home: SmallHome, tmp_path: Path) -> None:
    home = released_home.copy(tmp_path / "home")
    home.materialize(*CANDIDATE[:3], as_of=AS_OF + timedelta(days=3))
    with pytest.raises(RegistryError, match=r"materialize fraud_detection/evaluation first"):
        home.materialize("model_version")
    assert [version.version for version in home.registry.versions("fraud_detection")] == [1]


def test_predictions_before_any_release_say_what_to_do(ingested_home: SmallHome, tmp_path: Path) -> None:
    home = ingested_home.copy(tmp_path / "home")
    for nouns in (("predictions",), ("drift_report",)):
        with pytest.raises(RegistryError, match=r"no released version: materialize fraud_detection/release"):
            home.materialize(*nouns, days=LAST_DAY)
    assert "predictions" not in home.table_versions()
