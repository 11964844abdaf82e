"""Feeds that fell silent, as the assets that read them say it."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from mlops_assets.assets.support.feeds import feed_check, feeds_check, feeds_spoke
from mlops_assets.catalogue import load_product
from mlops_assets.core.errors import TrainingError
from mlops_assets.core.ingestion.silent_days import SilentFeed
from mlops_assets.core.labels.silence import SilentDays
from mlops_assets_tests.support.homes.changed_reader import changed_reader
from mlops_assets_tests.support.homes.small_home import AS_OF, INGEST, SmallHome, checks_of, small_product


def test_silent_days_of_the_event_feed_fail_a_check_and_stop_the_training_set(
    ingested_home: SmallHome, tmp_path: Path
) -> None:
    home = ingested_home.copy(tmp_path / "home")
    silent = (date(2018, 5, 7), date(2018, 5, 8))
    quiet = home.with_product(lambda p: changed_reader(p, events=pl.DataFrame.clear))
    result = quiet.materialize(*INGEST, days=silent)
    assert checks_of(result) == {"rejected_share": True, "feed_spoke": False}
    (told,) = [one for one in result.get_asset_check_evaluations() if one.check_name == "feed_spoke"]
    assert str(told.description).startswith(
        "2018-05-07 to 2018-05-08: 2 days have hardly any of the events that their weekday usually has: "
    )
    with pytest.raises(TrainingError, match=r"2 days have hardly any .* 2018-05-07 \(0 of \d+\), 2018-05-08"):
        home.materialize("training_set", as_of=AS_OF)
    config = {"as_of": AS_OF.isoformat(), "allow_silent_days": True}
    allowed = {"ops": {"fraud_detection__training_set": {"config": config}}}
    assert checks_of(home.materialize("training_set", config=allowed)) == {"feeds_spoke": False}
    declared = replace(home, product=small_product(source={"silent_below": 0.0}))
    assert checks_of(declared.materialize("training_set", as_of=AS_OF)) == {"feeds_spoke": True}
    assert checks_of(home.materialize(*INGEST, days=silent)) == {
        "rejected_share": True,
        "feed_spoke": True,
    }
    assert checks_of(home.materialize("training_set", as_of=AS_OF)) == {"feeds_spoke": True}


def test_days_of_events_without_features_are_told() -> None:
    day = date(2024, 1, 3)
    check = feeds_spoke(SilentFeed({}, {}), SilentDays({}, 1.0), events={day: 5}, vectors={day: 0})
    assert not check.passed
    assert "1 days have events but no rows in features, the first of them 2024-01-03" in str(
        check.description
    )


def test_a_cohort_and_a_source_of_which_nothing_is_expected_have_no_check() -> None:
    cohort = load_product("mortality_risk")
    assert (feed_check(cohort), feeds_check(cohort)) == ([], [])
    assert feed_check(small_product(source={"silent_below": 0.0})) == []
