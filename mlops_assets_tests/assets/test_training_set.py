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
    checks_of,
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


def test_four_silent_days_of_the_label_feed_stop_the_training_set_until_a_person_allows_them(
    ingested_home: SmallHome, tmp_path: Path
) -> None:
    home = ingested_home.copy(tmp_path / "home")
    silent = (date(2018, 5, 14), date(2018, 5, 17))
    home.with_product(lambda p: changed_reader(p, labels=pl.DataFrame.clear)).materialize(
        "labels", days=silent
    )
    with pytest.raises(TrainingError, match=r"4 days have hardly any outcome.*: 2018-05-07, .*2018-05-10 "):
        home.materialize("training_set", as_of=AS_OF)
    assert "training_set" not in home.table_versions()
    config = {"as_of": AS_OF.isoformat(), "allow_silent_days": True}
    result = home.materialize(
        "training_set", config={"ops": {"fraud_detection__training_set": {"config": config}}}
    )
    assert checks_of(result) == {"feeds_spoke": False}

    home.materialize("labels", days=silent)
    assert checks_of(home.materialize("training_set", as_of=AS_OF)) == {"feeds_spoke": True}
