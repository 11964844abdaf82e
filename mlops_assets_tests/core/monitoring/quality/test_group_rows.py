"""Columns of events and features beside rows of a real home."""

import polars as pl
import pytest

from mlops_assets.core.monitoring.quality.group_rows import champion_test_rows, with_columns_of_events
from mlops_assets.core.release.champion import champion_held_out, load_champion
from mlops_assets_tests.support.homes.small_home import SmallHome

ID = "transaction_id"


def test_columns_come_from_the_same_events(released_home: SmallHome) -> None:
    product = released_home.product
    rows = released_home.read("outcomes").head(50)
    found = with_columns_of_events(
        released_home.tables, product, product.view, rows, columns=["terminal_id", "is_night", "score"]
    )
    assert found[ID].to_list() == rows[ID].to_list()
    assert found["score"].equals(rows["score"])
    events = dict(released_home.read("events").select(ID, "terminal_id").iter_rows())
    assert found["terminal_id"].to_list() == [events[one] for one in rows[ID]]
    features = dict(released_home.read("features").select(ID, "is_night").iter_rows())
    assert found["is_night"].to_list() == [features[one] for one in rows[ID]]


def test_without_rows_the_columns_are_there(released_home: SmallHome) -> None:
    product = released_home.product
    rows = released_home.read("outcomes").clear()
    found = with_columns_of_events(
        released_home.tables, product, product.view, rows, columns=["terminal_id", "is_night"]
    )
    stored = released_home.tables.schema(product.name, "events")
    assert (found.height, found.schema["terminal_id"]) == (0, stored["terminal_id"])


def test_the_test_rows_are_scored_and_decided_by_the_champion(released_home: SmallHome) -> None:
    product = released_home.product
    champion = load_champion(released_home.control, product.name, declared_view=product.view)
    rows = champion_test_rows(released_home.tables, product, champion, columns=["customer_id"])
    held_out = champion_held_out(released_home.tables, product, champion)
    assert set(rows[ID]) == set(held_out.filter(pl.col("split") == "test")[ID])
    assert rows["customer_id"].null_count() == 0
    assert rows["score"].to_list() == pytest.approx(champion.model.predict(rows).tolist())
    assert (rows["decision"] == (rows["score"] >= champion.threshold)).all()
