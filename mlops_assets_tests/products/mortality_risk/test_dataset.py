from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from mlops_assets.catalogue import load_product
from mlops_assets.core.contracts.contract import apply_contract, conform, event_columns
from mlops_assets.core.errors import SchemaDriftError, SourceError
from mlops_assets.core.features.offline.executor import compute_features
from mlops_assets.core.product import SourceContext
from mlops_assets.core.product_spec import Source
from mlops_assets.products.mortality_risk.dataset import (
    COLUMNS,
    LABEL,
    SOURCES,
    labels_of,
    read_patients,
    sample,
)
from mlops_assets.products.mortality_risk.features import BASELINES, VIEW
from mlops_assets.products.mortality_risk.realignment import (
    PHASE_TWO_ROWS,
    PHYSIOLOGY,
    SURPLUS_ROWS,
    realign_physiology,
)
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


def context(path: Path, **options: bool) -> SourceContext:
    source = Source(kind="csv", path=str(path), options=dict(options))
    return SourceContext(source=source, folder=path.parent, cache=path.parent)


def write_csv(patients: pl.DataFrame, path: Path) -> Path:
    """Write the sample as SUPPORT2 stands in its file: its names, padded numbers, empty for null."""
    theirs = {ours: name for name, (ours, _) in COLUMNS.items() if ours in patients.columns}
    padded = patients.with_columns((" " + pl.all().cast(pl.String)).fill_null("").name.keep()).rename(theirs)
    padded.write_csv(path)
    return path


def accepted(patients: pl.DataFrame) -> pl.DataFrame:
    return apply_contract(patients, EventSchema, id_column="patient_id", subject="test").accepted


@pytest.mark.parametrize("seed", [0, 1, 7])
def test_the_sample_meets_the_contract_and_has_both_outcomes(seed: int):
    drawn = sample(seed)
    result = apply_contract(drawn.events, EventSchema, id_column="patient_id", subject="test")
    assert result.rejected.is_empty(), result.summary
    assert 0.2 < drawn.labels[LABEL].mean() < 0.5  # pyright: ignore[reportOperatorIssue]
    assert_frame_equal(drawn.events, sample(seed).events)


def test_columns_that_know_the_future_never_leave_the_raw_events():
    assert set(EventSchema.to_schema().columns) - set(event_columns(EventSchema)) == FUTURE


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


@pytest.mark.parametrize(
    ("died", "days", "outcome"),
    [(1, 60, 1), (1, 61, 0), (0, 60, 0), (0, 344, 0), (0, 59, None), (1, 3, 1)],
)
def test_death_by_day_sixty_is_the_outcome_and_a_short_follow_up_has_none(
    died: int, days: int, outcome: int | None
):
    labels = labels_of(pl.DataFrame({"patient_id": [5], "died": [died], "follow_up_days": [days]}))
    assert labels.rows() == ([] if outcome is None else [(5, outcome)])
    assert labels.schema[LABEL] == pl.Int8


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("heart_rate_per_minute", 0.0),
        ("mean_arterial_pressure_mmhg", 0.0),
        ("serum_albumin_g_dl", 29.0),
        ("pao2_fio2_ratio_mmhg", 890.0),
        ("age_years", 17.0),
    ],
)
def test_a_value_that_no_living_adult_has_is_rejected_by_name(column: str, value: float):
    patients = sample(0).events
    broken = patients.with_columns(
        pl.when(pl.col("patient_id") == 4).then(value).otherwise(pl.col(column)).alias(column)
    )
    result = apply_contract(broken, EventSchema, id_column="patient_id", subject="test")
    assert result.rejected["patient_id"].to_list() == [4]
    assert column in result.rejected["reasons"][0][0]


def test_a_csv_in_the_names_of_support2_gives_the_same_patients(tmp_path: Path):
    drawn = sample(2)
    at = context(write_csv(drawn.events, tmp_path / "cohort.csv"))
    read = SOURCES["csv"].events(at, start=None, end=None)
    assert_frame_equal(read, drawn.events, check_column_order=False)
    assert_frame_equal(SOURCES["csv"].labels(at, start=None, end=None), drawn.labels)


def test_a_csv_without_an_id_numbers_its_rows_from_one(tmp_path: Path):
    path = write_csv(sample(2).events.drop("patient_id"), tmp_path / "cohort.csv")
    assert read_patients(path)["patient_id"].to_list() == list(range(1, 601))


def with_text(texts: pl.DataFrame) -> pl.DataFrame:
    return texts.with_columns(age=pl.lit("forty"))


def with_column(texts: pl.DataFrame) -> pl.DataFrame:
    return texts.with_columns(ward=pl.lit("7"))


def without_column(texts: pl.DataFrame) -> pl.DataFrame:
    return texts.drop("temp")


@pytest.mark.parametrize(
    ("change", "named"),
    [(with_text, "age_years"), (with_column, "ward"), (without_column, "temperature_celsius")],
)
def test_a_changed_csv_is_named_as_schema_drift(
    tmp_path: Path, change: Callable[[pl.DataFrame], pl.DataFrame], named: str
):
    path = write_csv(sample(2).events, tmp_path / "cohort.csv")
    change(pl.read_csv(path, infer_schema=False)).write_csv(path)
    with pytest.raises(SchemaDriftError, match=named):
        conform(read_patients(path), EventSchema, subject="test")


def test_a_missing_file_and_an_unknown_option_say_what_is_wrong(tmp_path: Path):
    with pytest.raises(SourceError, match=r"no file .*nowhere\.csv"):
        SOURCES["csv"].events(context(tmp_path / "nowhere.csv"), start=None, end=None)
    path = write_csv(sample(2).events, tmp_path / "cohort.csv")
    with pytest.raises(SourceError, match="no typo; it takes realign"):
        SOURCES["csv"].events(context(path, typo=True), start=None, end=None)


def published() -> pl.DataFrame:
    """A file of 9,105 rows whose every physiological value is the number of the row it stands in."""
    number = pl.int_range(1, 9106, dtype=pl.Int64, eager=True)
    return pl.DataFrame({"patient_id": number, "age_years": number.cast(pl.Float64)}).with_columns(
        number.cast(pl.Float64).alias(name) for name in PHYSIOLOGY
    )


def test_realigning_undoes_rows_put_in_between():
    """Against the error itself: push ninety surplus rows into the second phase and let the end fall off."""
    own = published()
    phase_two = [row for first, last in PHASE_TWO_ROWS for row in range(first, last + 1)]
    owners = iter(phase_two)
    pushed = {row: -1.0 if row in SURPLUS_ROWS else float(next(owners)) for row in phase_two}
    shifted = own.with_columns(
        pl.col("patient_id").replace_strict(pushed, default=pl.col("patient_id").cast(pl.Float64)).alias(name)
        for name in PHYSIOLOGY
    )
    lost = pl.col("patient_id").is_in(phase_two[-len(SURPLUS_ROWS) :])
    expected = own.with_columns(pl.when(~lost).then(pl.col(name)).alias(name) for name in PHYSIOLOGY)
    assert_frame_equal(realign_physiology(shifted), expected)


def test_realigning_leaves_first_phase_and_other_columns_alone():
    before, after = published(), realign_physiology(published())
    assert_frame_equal(after.drop(PHYSIOLOGY), before.drop(PHYSIOLOGY))
    first_phase = pl.lit(True)
    for first, last in PHASE_TWO_ROWS:
        first_phase &= ~pl.col("patient_id").is_between(first, last)
    assert_frame_equal(after.filter(first_phase), before.filter(first_phase))
    assert after.filter(pl.col("patient_id") == 1300)["heart_rate_per_minute"].item() == 1305.0
