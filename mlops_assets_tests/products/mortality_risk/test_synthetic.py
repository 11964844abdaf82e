"""Synthetic patients: of the contract's columns, seeded, with both outcomes."""

import pytest
from polars.testing import assert_frame_equal

from mlops_assets.core.contracts.contract import apply_contract
from mlops_assets.products.mortality_risk.dataset import (
    LABEL,
    sample,
)
from mlops_assets.products.mortality_risk.schemas import EventSchema


@pytest.mark.parametrize("seed", [0, 1, 7])
def test_the_sample_meets_the_contract_and_has_both_outcomes(seed: int):
    drawn = sample(seed)
    result = apply_contract(drawn.events, EventSchema, id_column="patient_id", subject="test")
    assert result.rejected.is_empty(), result.summary
    assert 0.2 < drawn.labels[LABEL].mean() < 0.5  # pyright: ignore[reportOperatorIssue]
    assert_frame_equal(drawn.events, sample(seed).events)
