"""A synthetic cohort in SUPPORT2's columns, for tests without network; it resembles no patient and proves
nothing.
"""

from typing import NamedTuple

import numpy as np
import polars as pl

from mlops_assets.products.mortality_risk.schemas import (
    CANCER_STATUSES,
    DISEASE_CLASSES,
    DISEASE_GROUPS,
    INCOME_BRACKETS,
    RACES,
    SEXES,
)

_CLASS_OF_GROUP = dict(zip(DISEASE_GROUPS, (0, 1, 1, 1, 2, 3, 2, 0), strict=True))


class _Measurement(NamedTuple):
    healthy: float
    shift: float
    """By unit of severity."""
    noise: float
    lowest: float
    highest: float
    decimals: int
    missing: float
    """Share of patients without it."""


_MEASUREMENTS = {
    "mean_arterial_pressure_mmhg": (90.0, -6.0, 15.0, 30, 180, 0, 0.0),
    "white_blood_cells_thousand_per_ul": (9.0, 2.0, 4.0, 0.1, 80, 1, 0.02),
    "heart_rate_per_minute": (88.0, 9.0, 18.0, 35, 200, 0, 0.0),
    "respiratory_rate_per_minute": (20.0, 2.5, 5.0, 4, 60, 0, 0.0),
    "temperature_celsius": (37.0, 0.0, 0.9, 33, 41, 1, 0.0),
    "pao2_fio2_ratio_mmhg": (330.0, -50.0, 70.0, 40, 600, 1, 0.25),
    "serum_albumin_g_dl": (3.8, -0.4, 0.5, 1, 5.5, 1, 0.35),
    "serum_bilirubin_mg_dl": (0.7, 0.9, 0.8, 0.1, 40, 1, 0.3),
    "serum_creatinine_mg_dl": (1.0, 0.6, 0.6, 0.3, 15, 1, 0.01),
    "serum_sodium_mmol_l": (138.0, -0.5, 5.0, 115, 165, 0, 0.0),
    "arterial_ph": (7.43, -0.02, 0.05, 6.9, 7.7, 2, 0.25),
    "serum_glucose_mg_dl": (125.0, 12.0, 45.0, 40, 600, 0, 0.5),
    "blood_urea_nitrogen_mg_dl": (17.0, 9.0, 8.0, 3, 150, 0, 0.5),
    "urine_output_ml_day": (2300.0, -300.0, 700.0, 0, 7000, 0, 0.5),
    "apache_physiology_score": (20.0, 14.0, 8.0, 0, 140, 0, 0.0),
    "support_physiology_score": (16.0, 8.0, 4.0, 1, 90, 1, 0.0),
}


def synthetic_patients(rows: int, *, seed: int) -> pl.DataFrame:
    """Draw `rows` patients with one hidden severity that moves measurements, predictions and survival
    alike.
    """
    random = np.random.default_rng(seed)
    severity = random.exponential(1.0, rows)
    days = np.ceil(random.exponential(700 * np.exp(-1.3 * severity)) + 3).astype(np.int64)
    died = (days < random.integers(350, 2000, rows)).astype(np.int64)
    in_hospital = (died == 1) & (days <= 20)
    survival = np.clip(np.exp(-0.55 * severity + random.normal(0, 0.1, rows)), 0, 1).round(3)
    physician = np.clip(survival + random.normal(0, 0.2, rows), 0, 1).round(2)
    columns = _admission(random, rows) | {
        name: _measured(random, severity, _Measurement(*numbers)) for name, numbers in _MEASUREMENTS.items()
    }
    columns |= {
        "support_survival_probability_2_months": pl.Series(survival),
        "support_survival_probability_6_months": pl.Series((survival**1.5).round(3)),
        "physician_survival_probability_2_months": _sparse(random, physician, 0.2),
        "physician_survival_probability_6_months": _sparse(random, (physician**1.5).round(3), 0.2),
        "died": pl.Series(died),
        "follow_up_days": pl.Series(np.where(died == 1, days, np.maximum(days, 344))),
        "died_in_hospital": pl.Series(in_hospital.astype(np.int64)),
        "hospital_stay_days": pl.Series(np.where(in_hospital, days, np.minimum(days, 21))),
        "mean_tiss_score": pl.Series((15 + 8 * severity).round(2)),
        "resuscitation_order": pl.Series(np.where(in_hospital, "dnr after sadm", "no dnr")),
        "resuscitation_order_day": pl.Series(np.minimum(days, 21)),
        "functional_disability_2_months": pl.Series(
            np.where((died == 1) & (days < 60), "<2 mo. follow-up", "no(M2 and SIP pres)")
        ),
        "hospital_charges_usd": pl.Series((20_000 * np.exp(0.5 * severity)).round(0)),
        "total_cost_usd": pl.Series((12_000 * np.exp(0.5 * severity)).round(0)),
        "total_micro_cost_usd": pl.Series((11_000 * np.exp(0.5 * severity)).round(0)),
    }
    return pl.DataFrame(columns)


def _admission(random: np.random.Generator, rows: int) -> dict[str, pl.Series]:
    group = random.choice(DISEASE_GROUPS, rows)
    activities = random.integers(0, 8, rows)
    return {
        "patient_id": pl.Series(np.arange(1, rows + 1)),
        "age_years": pl.Series(np.clip(random.normal(63, 15, rows), 18, 100).round(3)),
        "sex": pl.Series(random.choice(SEXES, rows)),
        "race": _sparse(random, random.choice(RACES, rows, p=(0.7, 0.15, 0.08, 0.04, 0.03)), 0.01),
        "education_years": _sparse(random, random.integers(4, 20, rows), 0.2),
        "income_bracket": _sparse(random, random.choice(INCOME_BRACKETS, rows), 0.3),
        "disease_group": pl.Series(group),
        "disease_class": pl.Series([DISEASE_CLASSES[_CLASS_OF_GROUP[name]] for name in group]),
        "comorbidity_count": pl.Series(random.poisson(1.9, rows).clip(0, 9)),
        "has_diabetes": pl.Series(random.binomial(1, 0.2, rows)),
        "has_dementia": pl.Series(random.binomial(1, 0.03, rows)),
        "cancer_status": pl.Series(random.choice(CANCER_STATUSES, rows, p=(0.66, 0.14, 0.2))),
        "hospital_day_at_entry": pl.Series(random.geometric(0.3, rows)),
        "coma_score": pl.Series(random.choice((0, 9, 26, 44, 100), rows, p=(0.7, 0.1, 0.1, 0.05, 0.05))),
        "daily_activities_limited_patient": _sparse(random, activities, 0.6),
        "daily_activities_limited_surrogate": _sparse(random, activities, 0.3),
        "daily_activities_limited_imputed": pl.Series(activities.astype(np.float64)),
    }


def _measured(random: np.random.Generator, severity: np.ndarray, measurement: _Measurement) -> pl.Series:
    noise = random.normal(0, measurement.noise, len(severity))
    values = measurement.healthy + measurement.shift * severity + noise
    values = values.clip(measurement.lowest, measurement.highest).round(measurement.decimals)
    return _sparse(random, values, measurement.missing)


def _sparse(random: np.random.Generator, values: np.ndarray, missing: float) -> pl.Series:
    is_missing = random.random(len(values)) < missing
    return pl.select(pl.when(~pl.Series(is_missing)).then(pl.Series(values))).to_series()
