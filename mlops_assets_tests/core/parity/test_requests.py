"""Requests beside the lakehouse's rows."""

import polars as pl

from mlops_assets.core.parity.replay import captured_events
from mlops_assets.core.parity.requests import compare_requests
from mlops_assets_tests.support.parity.visits import DTYPES, VIEW, captured, rows


def test_requests_are_compared_with_every_version_that_the_lakehouse_has() -> None:
    served = captured_events(
        VIEW, captured((1, 0, 1, "ada", 5.0), (2, 0, 8, "bob", 0.1), (3, 0, 8, "bob", 1.0)), dtypes=DTYPES
    )
    history = rows(
        (1, 0, 0, "ada", 4.0), (1, 0, 9, "ada", 5.0), (2, 120, 0, "bob", 0.1), (4, 0, 0, "eve", 1.0)
    )
    found = {row["feature"]: row for row in compare_requests(VIEW, history, served).iter_rows(named=True)}
    assert {name: (row["compared"], row["different"]) for name, row in found.items()} == {
        "event_timestamp": (2, 1),
        "person": (2, 0),
        "paid": (2, 0),
    }
    assert found["event_timestamp"]["example_id"] == "2"
    assert found["event_timestamp"]["largest_difference"] == 7200.0
    assert found["event_timestamp"]["diagnosis"].startswith("time zone")


def test_a_request_with_rounded_values_is_named() -> None:
    rounded = float(pl.Series([0.1], dtype=pl.Float32).cast(pl.Float64)[0])
    served = captured_events(VIEW, captured((1, 0, 1, "ada", rounded)), dtypes=DTYPES)
    found = compare_requests(VIEW, rows((1, 0, 0, "ada", 0.1)), served).filter(pl.col("different") > 0)
    assert found["feature"].to_list() == ["paid"]
    assert found["diagnosis"][0].startswith("float32 cast")
