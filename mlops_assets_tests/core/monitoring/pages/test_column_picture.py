"""The picture of a column shows the window over its history, whatever its values are."""

import numpy as np
import polars as pl
import pytest

from mlops_assets.core.monitoring.drift.column import History
from mlops_assets.core.monitoring.drift.windows import ComparedColumn
from mlops_assets.core.monitoring.pages.column_picture import column_figure
from mlops_assets.core.monitoring.profile import ColumnProfile, profile_column
from mlops_assets_tests.support.documents.html_pages import HtmlPage
from mlops_assets_tests.support.documents.judged_windows import compared, drift_finding

RNG = np.random.default_rng(0)
AMOUNTS = RNG.lognormal(3.5, 0.8, 3000)


def drawn(column: ComparedColumn, **finding: float | None) -> HtmlPage:
    return HtmlPage(column_figure(drift_finding("amount_usd", state="alarm", **finding), column))


def shares_of_history(page: HtmlPage) -> list[float]:
    """Heights of the history's bars, as shares of all of them; the last box is behind the bar of what moved."""
    heights = [float(str(one["height"])) for one in page.all("rect") if one["class"] == "ghost"][:-1]
    return [height / sum(heights) for height in heights]


def test_numbers_have_even_bars_of_both_sides_and_a_bar_of_how_far_they_moved() -> None:
    page = drawn(compared(AMOUNTS), moved=0.31, limit=0.2)
    assert len([one for one in page.all("rect") if one["class"] == "ghost"]) == 24 + 1
    assert any("limit" in str(one["class"]) for one in page.all("line"))
    labels = [str(one["aria-label"]) for one in page.all("svg")]
    assert "31.0% of the rows moved" in labels[0]
    assert labels[1] == "0.31 of the rows moved; usual 0.04, limit 0.2"
    assert "3,000 rows in the window" in page.text


def test_rounded_values_show_no_teeth() -> None:
    page = drawn(compared(RNG.uniform(10, 20, 20_000)))
    inner = shares_of_history(page)[1:-1]
    assert max(inner) < 1.6 * min(inner)


def test_few_values_have_a_bar_each_and_rare_categories_share_one() -> None:
    nights = drawn(compared(RNG.integers(0, 4, 800).astype(float)))
    assert len([one for one in nights.all("rect") if one["class"] == "ghost"]) == 4 + 1
    assert "0123" in nights.text.replace("\n", "").replace(" ", "")
    shops = drawn(compared(RNG.integers(0, 40, 3000).astype(float), is_category=True))
    assert len([one for one in shops.all("rect") if one["class"] == "ghost"]) == 12 + 1
    assert "other" in shops.text


def test_categories_have_their_names_and_those_that_changed_most_are_said() -> None:
    past = profile_column(pl.Series("x", [0.0] * 50 + [1.0] * 30 + [2.0] * 20), is_category=True)
    now = profile_column(pl.Series("x", [0.0] * 50 + [1.0] * 12 + [7.0] * 38), is_category=True)
    names = ("a rather long <name>", "b", "c")
    page = drawn(ComparedColumn(History((past,), past, 1), now, True, names))
    assert "Changed most: 7 0% → 38%, c 20% → 0%, b 30% → 12%." in page.text
    assert "a rather…" in page.text


def test_of_a_column_that_is_mostly_one_value_the_others_are_drawn() -> None:
    page = drawn(compared(np.where(RNG.random(3000) < 0.8, 0.0, AMOUNTS)))
    assert "Left out is the usual value 0: " in page.text


@pytest.mark.parametrize("values", [[1.0], [1.0, 1.0], [None, 2.0], [-5.0, 0.0, 5.0] * 30])
def test_any_values_can_be_drawn(values: list[float]) -> None:
    page = drawn(compared(values), moved=0.0, limit=None)
    assert "nan" not in str(page.tags)
    assert page.text


def test_a_side_without_values_is_said() -> None:
    empty = ColumnProfile(5, 5, np.empty(0), np.empty(0, np.int64))
    past = profile_column(pl.Series("x", [1.0, 2.0]))
    page = drawn(ComparedColumn(History((past,), past, 1), empty, False))
    assert "One side has no values to draw." in page.text
    assert "100.0% of the window" in page.text
