"""The features of mortality risk: nothing of the future, of sensitive attributes or of fitted scores."""

import polars as pl
from polars.testing import assert_frame_equal

from mlops_assets.catalogue import load_product
from mlops_assets.core.contracts.contract import apply_contract
from mlops_assets.core.features.offline.executor import compute_features
from mlops_assets.products.mortality_risk.dataset import (
    sample,
)
from mlops_assets.products.mortality_risk.features import BASELINES, VIEW
from mlops_assets.products.mortality_risk.schemas import EventSchema

FUTURE = {
    "died",
    "follow_up_days",
    "died_in_hospital",
    "hospital_stay_days",
    "mean_tiss_score",
    "resuscitation_order",
    "resuscitation_order_day",
    "functional_disability_2_months",
    "hospital_charges_usd",
    "total_cost_usd",
    "total_micro_cost_usd",
}
NEVER_FEATURES = FUTURE | {
    "sex",
    "race",
    "income_bracket",
    "education_years",
    "support_physiology_score",
    "support_survival_probability_2_months",
    "support_survival_probability_6_months",
    "physician_survival_probability_6_months",
    "daily_activities_limited_patient",
    "daily_activities_limited_surrogate",
    "daily_activities_limited_imputed",
}


def accepted(patients: pl.DataFrame) -> pl.DataFrame:
    return apply_contract(patients, EventSchema, id_column="patient_id", subject="test").accepted


def test_no_feature_reads_the_future_a_sensitive_attribute_or_a_fitted_score():
    for feature in VIEW.features:
        assert not feature.expression.columns() & NEVER_FEATURES, feature.name  # pyright: ignore


def test_only_the_variant_sees_the_physicians_estimate():
    product = load_product("mortality_risk")
    assert "physician_death_probability" not in product.model_features
    assert {*product.model_features, "physician_death_probability"} == set(VIEW.feature_names)


def test_baselines_are_probabilities_of_death_and_null_where_nobody_said():
    events = accepted(sample(0).events)
    for name, survival in (
        ("support_model", "support_survival_probability_2_months"),
        ("physicians", "physician_survival_probability_2_months"),
    ):
        score = BASELINES[name].over(events)
        assert_frame_equal(
            score.to_frame("score"), events.select(score=1.0 - pl.col(survival)), check_exact=True
        )


def test_outcomes_do_not_change_features():
    events = accepted(sample(0).events)
    changed = events.with_columns(died=1 - pl.col("died"), follow_up_days=pl.lit(3, dtype=pl.Int64))
    assert_frame_equal(compute_features(VIEW, events, None), compute_features(VIEW, changed, None))
