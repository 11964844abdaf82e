"""The demo's plan: which runs, over which days, and that their jobs exist."""

from datetime import date, timedelta

import pytest

from mlops_assets.catalogue import load_product, product_names
from mlops_assets.commands.demo import MONITORED_DAYS, demo_runs
from mlops_assets.core.errors import PlatformError
from mlops_assets.definitions import defs


def test_a_product_with_a_time_axis_is_trained_as_of_weeks_before_the_end_and_monitored_on_them() -> None:
    spec = load_product("fraud_detection").spec
    ingest, retrain, load, monitor = demo_runs(spec)
    assert load.nouns == ("online_features",)
    as_of, last = date(2018, 10, 1) - timedelta(days=MONITORED_DAYS), date(2018, 9, 30)
    assert ingest.days == (date(2018, 4, 1), last)
    assert retrain.days is None
    assert str(as_of) in str(retrain.config)
    assert monitor.days == (as_of, last)
    assert monitor.nouns is None


def test_a_cohort_has_no_days() -> None:
    assert [run.days for run in demo_runs(load_product("mortality_risk").spec)] == [None, None, None]


def test_data_without_an_end_are_refused() -> None:
    spec = load_product("fraud_detection").spec
    assert spec.time is not None
    endless = spec.model_copy(update={"time": spec.time.model_copy(update={"end_date": None})})
    with pytest.raises(PlatformError, match="fraud_detection: the demo needs data with an end"):
        demo_runs(endless)


def test_every_planned_job_exists_with_its_assets() -> None:
    definitions = defs()
    for name in product_names():
        for run in demo_runs(load_product(name).spec):
            selected = definitions.resolve_job_def(f"{name}__{run.job}").asset_layer.selected_asset_keys
            assert {key.path[0] for key in selected} == {name}
            assert set(run.nouns or ()) <= {key.path[-1] for key in selected}
