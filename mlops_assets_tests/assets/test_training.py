"""Training sets and models: what was known by then, and what is said where that is too little."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from mlops_assets.core.errors import TrainingError
from mlops_assets_tests.support.homes.changed_reader import changed_reader
from mlops_assets_tests.support.homes.small_home import (
    AS_OF,
    FIRST_DAY,
    SmallHome,
)


def test_one_class_only_says_in_which_split_and_window(ingested_home: SmallHome, tmp_path: Path) -> None:
    home = ingested_home.copy(tmp_path / "home").with_product(
        lambda p: changed_reader(p, labels=lambda frame: frame.with_columns(is_fraud=pl.lit(0, pl.Int8)))
    )
    home.materialize("labels", days=(FIRST_DAY, date(2018, 5, 31)))
    with pytest.raises(
        TrainingError, match=r"split train has one class only, is_fraud = 0 in all of them: .*window"
    ):
        home.materialize("training_set", as_of=AS_OF)
    assert "training_set" not in home.table_versions()
