"""What the parity report becomes."""

from datetime import date

import polars as pl

from mlops_assets.core.monitoring.upkeep.parity import PARITY_COLUMNS, parity_findings

DAY = date(2024, 1, 2)


def _rows(*rows: tuple[str, str, int, int]) -> pl.DataFrame:
    return pl.DataFrame([(DAY, *row) for row in rows], schema=PARITY_COLUMNS, orient="row")


def test_any_served_value_that_differs_is_a_broken_source() -> None:
    found = parity_findings(
        _rows(("feature", "amount", 100, 0), ("feature", "count_7d", 100, 3), ("request", "amount", 100, 1))
    )
    assert [(one.subject, one.state, one.cause) for one in found] == [
        ("count_7d", "alarm", "broken"),
        ("request: amount", "alarm", "broken"),
    ]
    assert (found[0].value, found[0].partition) == (0.03, "2024-01-02")
    assert found[0].reason.startswith("3 of 100 values differ")


def test_all_equal_is_ok_and_a_vector_that_training_reads_may_differ() -> None:
    (finding,) = parity_findings(_rows(("feature", "amount", 100, 0), ("training", "amount", 100, 7)))
    assert (finding.state, finding.value) == ("ok", 0.0)


def test_where_nothing_was_served_nothing_is_known() -> None:
    (finding,) = parity_findings(_rows())
    assert finding.state == "inconclusive"
