"""The fairness report on a real home, and what `verdicts` makes of it."""

from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from mlops_assets.assets.monitoring import monitoring_assets
from mlops_assets_tests.support.homes.small_home import LAST_DAY, SmallHome, checks_of, metadata_of

DAYS = (LAST_DAY - timedelta(days=1), LAST_DAY)
SENSITIVE: dict[str, Any] = {"slices": [{"column": "is_weekend", "breaks": [0.5], "is_sensitive": True}]}


@pytest.fixture
def home(released_home: SmallHome, tmp_path_factory: pytest.TempPathFactory) -> SmallHome:
    return released_home.copy(tmp_path_factory.mktemp("fairness") / "home", evaluation=SENSITIVE)


def test_a_window_has_its_groups_and_verdicts_tells_of_them(home: SmallHome) -> None:
    result = home.materialize("fairness_report", "verdicts", days=DAYS)
    stored = home.read("fairness_report")
    assert stored["event_date"].n_unique() == 2
    assert set(stored["slice"]) == {"is_weekend"}
    assert set(stored["metric"]) == {"average_precision", "selection_rate_difference", "calibration_bias"}
    shown = metadata_of(result, home.key("fairness_report"))
    assert shown["verdict"].value in ("stable", "degraded", "inconclusive")
    assert checks_of(result)["fairness_holds"] is (shown["verdict"].value != "degraded")
    newest = stored.filter(pl.col("event_date") == LAST_DAY)
    told = home.read("verdicts").filter(pl.col("topic") == "fairness", pl.col("event_date") == LAST_DAY)
    assert set(told["reason"]) == set(newest["reason"])


def test_only_a_product_with_a_sensitive_slice_has_the_report(
    home: SmallHome, released_home: SmallHome
) -> None:
    def nouns(home: SmallHome) -> set[str]:
        return {key.path[-1] for asset in monitoring_assets(home.product) for key in asset.keys}

    assert "fairness_report" in nouns(home)
    assert "fairness_report" not in nouns(released_home)
