"""Rows that slipped are put back where they belong."""

import polars as pl
from polars.testing import assert_frame_equal

from mlops_assets.products.mortality_risk.realignment import (
    PHASE_TWO_ROWS,
    PHYSIOLOGY,
    SURPLUS_ROWS,
    realign_physiology,
)


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
