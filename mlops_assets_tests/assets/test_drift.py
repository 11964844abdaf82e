"""The asset `drift_report` on a real home: what it stores, and what a broken source makes of it."""

from datetime import timedelta

import polars as pl
import pytest

from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets_tests.support.homes.home import COMMIT
from mlops_assets_tests.support.homes.small_home import LAST_DAY, SmallHome

TODAY = DayRange(LAST_DAY, LAST_DAY + timedelta(days=1))


def test_a_source_in_another_unit_is_named_with_its_day_and_asks_for_nothing(
    released_home: SmallHome, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = released_home.copy(tmp_path_factory.mktemp("broken") / "home")
    features = home.read("features").filter(pl.col("event_date") == LAST_DAY)
    wrong = features.with_columns(pl.col("amount_usd") * 100)
    home.tables.write(home.product.name, "features", wrong, days=TODAY, commit=COMMIT)
    home.materialize("drift_report", days=LAST_DAY)
    report = home.read("drift_report").filter(pl.col("event_date") == LAST_DAY)
    assert report["window_verdict"].unique().to_list() == ["broken"]
    assert {"moved", "limit", "importance", "consequence", "part"} <= set(report.columns)
