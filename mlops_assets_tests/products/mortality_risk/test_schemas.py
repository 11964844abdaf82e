"""The contract of patients."""

import polars as pl
import pytest

from mlops_assets.core.contracts.contract import apply_contract
from mlops_assets.products.mortality_risk.dataset import (
    sample,
)
from mlops_assets.products.mortality_risk.schemas import EventSchema


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
