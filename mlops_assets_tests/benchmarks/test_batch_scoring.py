"""The batch-scoring benchmark at the size of the small home, and that it notices other scores."""

from pathlib import Path

import polars as pl
import pytest

from benchmarks.batch_scoring import Home, check_equal, measure
from mlops_assets_tests.support.homes.small_home import LAST_DAY, SmallHome


@pytest.fixture
def home(released_home: SmallHome, tmp_path: Path) -> Home:
    copy = released_home.copy(tmp_path / "home")
    return Home(copy.product, copy.settings)


def test_asset_and_bare_booster_score_the_same_rows_alike(home: Home) -> None:
    rows, seconds = measure(home, repeats=1)
    assert rows == home.tables.read(home.product.name, "features").height
    assert {name: len(taken) for name, taken in seconds.items()} == {"bare": 1, "asset": 1}
    stored = home.tables.read(home.product.name, "predictions")
    assert stored["event_date"].max() == LAST_DAY
    other = stored.select(pl.col(home.product.spec.id_column).alias("id"), pl.col("score") * 0.5)
    with pytest.raises(SystemExit, match="not those of the booster"):
        check_equal(home, other)
