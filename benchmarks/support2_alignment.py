"""Show that SUPPORT2's phase II physiology stands beside the wrong patients, and derive how it moved.

    python -m benchmarks.support2_alignment

The study computed two scores (`sps`, `aps`) from the same day-3 physiology; they stand beside the right
patients. Two regressions learn the scores from physiology on phase I rows. Over phase II, in file order, the
sequence of physiologies is aligned with the sequence of patients by dynamic programming: each physiology is
either that of the next patient or of nobody in the file. No outcome takes part. The evidence table then looks
at columns that took no part either.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.result import print_json, print_table
from mlops_assets.core.evaluation.metrics import Floats, auc
from mlops_assets.core.settings import load_settings
from mlops_assets.core.wheel_source import fetch_wheel_file
from mlops_assets.products.mortality_risk.dataset import LABEL, SUPPORT2, labels_of, read_patients
from mlops_assets.products.mortality_risk.realignment import (
    PHASE_TWO_ROWS,
    PHYSIOLOGY,
    SURPLUS_ROWS,
    realign_physiology,
)

SCORES = ("support_physiology_score", "apache_physiology_score")
IN_BOTH_PHASES = tuple(
    name
    for name in PHYSIOLOGY
    if name not in ("serum_glucose_mg_dl", "blood_urea_nitrogen_mg_dl", "urine_output_ml_day")
)
MAXIMUM_SURPLUS = 200
SURPLUS_PENALTY = -6.0
"""Log odds of a physiology being nobody's: about 90 among 4,804 would be -4; -3 and -10 find the same 90."""
OUTLIERS = 0.1
"""Share of patients whose score the regression is allowed to miss entirely."""


@dataclass(frozen=True)
class Score:
    """One score in file order over phase II: as it stands, and as regressed from the physiology in the same
    row.
    """

    stated: Floats
    regressed: Floats
    error: float

    def agreement(self, row: int, patients: Floats) -> Floats:
        """Log likelihood ratio, per patient, of this row's physiology being theirs against anybody's."""
        spread = np.nanstd(self.stated)
        by_chance = -0.5 * ((patients - np.nanmean(self.stated)) / spread) ** 2 - np.log(spread)
        own = -0.5 * ((patients - self.regressed[row]) / self.error) ** 2 - np.log(self.error)
        with np.errstate(invalid="ignore"):  # a patient without a score agrees with anybody
            ratio = np.logaddexp(np.log(1 - OUTLIERS) + own, np.log(OUTLIERS) + by_chance) - by_chance
        return np.nan_to_num(ratio)


def phase_two_ids() -> list[int]:
    """Return the patient ids of phase II in file order."""
    return [row for first, last in PHASE_TWO_ROWS for row in range(first, last + 1)]


def regress_scores(patients: pl.DataFrame) -> list[Score]:
    """Learn both scores from the physiology on even phase I rows; the error is that of the odd ones."""
    from lightgbm import LGBMRegressor

    in_phase_two = patients["patient_id"].is_in(phase_two_ids()).to_numpy()
    is_even = patients["patient_id"].to_numpy() % 2 == 0
    features = patients.select(IN_BOTH_PHASES).to_numpy()
    found = []
    for name in SCORES:
        stated = patients[name].to_numpy()
        known = ~np.isnan(stated) & ~in_phase_two
        model = LGBMRegressor(n_estimators=700, learning_rate=0.05, num_leaves=12, verbose=-1, n_jobs=2)
        model.fit(features[known & is_even], stated[known & is_even])
        regressed = np.asarray(model.predict(features), dtype=np.float64)
        error = 1.5 * float(np.median(np.abs(regressed - stated)[known & ~is_even]))
        found.append(Score(stated[in_phase_two], regressed[in_phase_two], error))
    return found


def surplus_rows(scores: list[Score]) -> list[int]:
    """Return the positions, over phase II, of physiologies that belong to no patient of the file."""
    rows = len(scores[0].stated)
    best = np.full(MAXIMUM_SURPLUS + 1, -np.inf)
    best[0] = 0.0
    came_by_surplus = np.zeros((rows, MAXIMUM_SURPLUS + 1), dtype=bool)
    for row in range(rows):
        patient = row - np.arange(MAXIMUM_SURPLUS + 1)
        matched = np.where(
            patient >= 0,
            best + sum(s.agreement(row, s.stated[np.maximum(patient, 0)]) for s in scores),
            -np.inf,
        )
        surplus = np.concatenate([[-np.inf], best[:-1] + SURPLUS_PENALTY])
        came_by_surplus[row] = surplus > matched
        best = np.maximum(matched, surplus)
    count, found = int(np.argmax(best)), []
    for row in range(rows - 1, -1, -1):
        if came_by_surplus[row, count]:
            found.append(row)
            count -= 1
    return found[::-1]


def same_owner_share(derived: list[int]) -> float:
    """Return the share of phase II patients to whom derived and used surplus rows give the same physiology."""
    ids = phase_two_ids()
    ours, theirs = (
        [row for row in ids if row not in surplus] for surplus in (set(SURPLUS_ROWS), set(derived))
    )
    return float(np.mean([a == b for a, b in zip(ours, theirs, strict=False)]))


def evidence(patients: pl.DataFrame) -> Mapping[str, float]:
    """Measure, on phase II rows after the first surplus one, what no part of the alignment looked at."""
    late = patients.join(labels_of(patients), on="patient_id").filter(
        pl.col("patient_id").is_in(phase_two_ids()), pl.col("patient_id") > SURPLUS_ROWS[0]
    )
    arrested = late.filter(
        (pl.col("heart_rate_per_minute") < 20) | (pl.col("mean_arterial_pressure_mmhg") < 20)
    )
    cirrhosis = late.filter(pl.col("disease_group") == "Cirrhosis")["serum_bilirubin_mg_dl"].median()
    urea = late.drop_nulls("blood_urea_nitrogen_mg_dl")
    nitrogen = urea["blood_urea_nitrogen_mg_dl"].to_numpy()
    return {
        "median bilirubin in cirrhosis, mg/dl": float(str(cirrhosis)),
        "no circulation on day 3: patients": float(arrested.height),
        "of these died on day 3": float(arrested.filter(pl.col("follow_up_days") == 3).height),
        "AUC of urea nitrogen for the outcome": auc(urea[LABEL].to_numpy(), nitrogen),
    }


def main() -> None:
    """Derive the surplus rows, compare them with those that the product uses, and print the evidence."""
    cache = load_settings(os.environ, working_directory=Path.cwd()).cache
    patients = read_patients(fetch_wheel_file(SUPPORT2, cache=cache))
    ids = phase_two_ids()
    derived = [ids[row] for row in surplus_rows(regress_scores(patients))]
    published, realigned = evidence(patients), evidence(realign_physiology(patients))
    print_table(
        f"Phase II rows after {SURPLUS_ROWS[0]}",
        ["measure", "as published", "realigned"],
        [[name, value, realigned[name]] for name, value in published.items()],
    )
    print_json(
        {
            "derived": len(derived),
            "used": len(SURPLUS_ROWS),
            "in_both": len(set(derived) & set(SURPLUS_ROWS)),
            "same_physiology": same_owner_share(derived),
            "published": dict(published),
            "realigned": dict(realigned),
        }
    )


if __name__ == "__main__":
    main()
