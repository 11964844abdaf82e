"""From raw rows to reports in real Dagster runs: what a run writes, what it says, and that running again is free."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from mlops_assets.core.product import Product, Reader, SourceContext
from mlops_assets_tests.support.homes.small_home import (
    AS_OF,
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


@pytest.mark.parametrize("noun", PICTURES)
def test_stages_where_a_person_would_rather_look_show_a_picture(released_home: SmallHome, noun: str) -> None:
    metadata = latest_metadata(released_home, noun)
    for name in PICTURES[noun]:
        text = str(metadata[name].value)
        assert text.startswith("![")
        assert "data:image/png;base64,iVBOR" in text
        assert len(text) < 400_000


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
