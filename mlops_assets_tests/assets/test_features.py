"""The features of each event: one vector, traced to its columns."""

from datetime import UTC, date, datetime, time, timedelta

import dagster as dg
import polars as pl

from mlops_assets_tests.support.homes.small_home import (
    LAST_DAY,
    SmallHome,
)


def latest_metadata(home: SmallHome, noun: str) -> dict[str, dg.MetadataValue]:
    with home.instance() as instance:
        event = instance.get_latest_materialization_event(home.key(noun))
    assert event is not None
    assert event.asset_materialization is not None
    return dict(event.asset_materialization.metadata)


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


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
