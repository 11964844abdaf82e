"""The jobs of a product, named for what a person wants."""

from datetime import date

import dagster as dg

from mlops_assets.automation.jobs import COLLECT, INGEST, MONITOR, RETRAIN, product_automation, retrain_config
from mlops_assets.catalogue import read_product_spec
from mlops_assets_tests.support.product_specs import COHORT, FRAUD


def names(definitions: dg.Definitions) -> tuple[set[str], set[str], set[str]]:
    return (
        {job.name.split("__")[1] for job in definitions.jobs or ()},
        {str(one.name) for one in definitions.schedules or ()},  # pyright: ignore[reportAttributeAccessIssue]
        {str(one.name) for one in definitions.sensors or ()},
    )


def test_a_product_in_time_has_a_daily_job_and_watches_drift_and_a_cohort_neither() -> None:
    daily, cohort = names(product_automation(FRAUD)), names(product_automation(COHORT))
    assert daily[0] - cohort[0] == {"daily"}
    assert len(daily[1]) == len(cohort[1]) + 1
    assert {name.removeprefix("fraud_detection__") for name in daily[2]} - {
        name.removeprefix("mortality_risk__") for name in cohort[2]
    } == {"retrain_on_drift"}
    assert {"ingest", "retrain", "monitor", "collect", "rollback"} <= cohort[0]


def test_groups_and_windows_are_watched_where_there_are_any() -> None:
    mortality = read_product_spec("mortality_risk")
    for spec, watched in ((FRAUD, {"verdicts"}), (mortality, {"fairness_report"}), (COHORT, set())):
        jobs = {job.name.split("__")[1]: job for job in product_automation(spec).jobs or ()}
        described = str(jobs["monitor"].selection)  # pyright: ignore[reportAttributeAccessIssue]
        assert {noun for noun in ("verdicts", "fairness_report") if noun in described} == watched


def test_a_schedule_that_is_declared_away_is_not_there() -> None:
    spec = FRAUD.model_copy(
        update={"schedules": FRAUD.schedules.model_copy(update={"daily": None, "retrain": None})}
    )
    jobs, schedules, _ = names(product_automation(spec))
    assert schedules == set()
    assert {"daily", "retrain"} <= jobs


def test_the_stages_follow_each_other_without_a_gap() -> None:
    assert len({*INGEST, *RETRAIN, *MONITOR, *COLLECT}) == len(INGEST) + len(RETRAIN) + len(MONITOR) + 1


def test_a_retraining_is_told_as_of_when_and_a_cohort_nothing() -> None:
    config = retrain_config(FRAUD, date(2018, 9, 1))
    assert config == {"ops": {"fraud_detection__training_set": {"config": {"as_of": "2018-09-01"}}}}
    assert retrain_config(COHORT, date(2018, 9, 1)) == {}
