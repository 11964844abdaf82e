"""Giving the patients of SUPPORT's second phase their own physiology back.

In the published file the fourteen physiological columns (meanbp to urine) of the phase II rows were put
beside the other columns by position, after 90 patients had been taken out of the other columns only. Each of
these 90 surplus rows moves all later physiology one row down: up to row 1263 a row's physiology is its own,
in the last row it is that of the patient 90 phase II rows above.

Found by aligning the sequence of phase II physiologies with the sequence of phase II patients through two
scores that the study itself computed from the same physiology (`sps`, `aps`), which stand in the other
columns (`python -m benchmarks.support2_alignment` derives the 90 rows again). No outcome took part. Evidence
from columns that took no part, rows after 1263, published and realigned: median bilirubin in cirrhosis 0.9
and 4.25 mg/dl; of patients with a heart rate or pressure below 20 on day 3, 2 of 47 and 23 of 47 died on day
3; AUC of blood urea nitrogen for death within two months .49 and .64.
"""

import polars as pl

PHASE_TWO_ROWS = ((833, 1589), (2414, 3232), (4280, 5815), (6732, 7746), (8429, 9105))
"""First and last patient_id of phase II at each of the five hospitals. Glucose, urea nitrogen and urine
output were collected in phase II only, and the follow-up of survivors restarts at the same rows."""

# fmt: off
SURPLUS_ROWS = (
    1264, 1291, 1296, 1298, 1299, 1351, 1395, 1405, 1413, 1446, 1449, 1461, 1505, 1527, 2871, 2882, 2891,
    2892, 2908, 2924, 2941, 2943, 2945, 2955, 2960, 2995, 3005, 3010, 3024, 3035, 3036, 3053, 3066, 3068,
    3071, 3099, 3116, 3123, 3139, 3146, 3153, 3159, 3171, 3174, 3181, 3182, 3184, 7244, 7247, 7256, 7285,
    7287, 7299, 7322, 7323, 7324, 7339, 7355, 7367, 7431, 7436, 7443, 7450, 7455, 7469, 7471, 7472, 7551,
    7605, 7631, 7645, 7662, 7665, 8779, 8796, 8839, 8840, 8854, 8863, 8875, 8890, 8898, 8908, 8938, 8948,
    8950, 8965, 9002, 9038, 9047,
)
# fmt: on
"""Rows of the published file whose physiology belongs to no patient of the file."""

PHYSIOLOGY = (
    "mean_arterial_pressure_mmhg",
    "white_blood_cells_thousand_per_ul",
    "heart_rate_per_minute",
    "respiratory_rate_per_minute",
    "temperature_celsius",
    "pao2_fio2_ratio_mmhg",
    "serum_albumin_g_dl",
    "serum_bilirubin_mg_dl",
    "serum_creatinine_mg_dl",
    "serum_sodium_mmol_l",
    "arterial_ph",
    "serum_glucose_mg_dl",
    "blood_urea_nitrogen_mg_dl",
    "urine_output_ml_day",
)


def realign_physiology(patients: pl.DataFrame) -> pl.DataFrame:
    """Return the same rows with the physiology of phase II moved back to its patients; row order is kept.

    patients: the published file, one row per `patient_id` 1 to 9105. The last 90 patients of phase II get
    null physiology: theirs is not in the file. Phase I rows and all other columns are unchanged.
    """
    phase_two = [row for first, last in PHASE_TWO_ROWS for row in range(first, last + 1)]
    surplus = set(SURPLUS_ROWS)
    rows_with_owner = [row for row in phase_two if row not in surplus]
    origin = {row: row for row in patients["patient_id"].to_list()} | dict.fromkeys(phase_two)
    origin |= dict(zip(phase_two, rows_with_owner, strict=False))
    moves = pl.DataFrame(
        {"patient_id": list(origin), "origin": list(origin.values())},
        schema={"patient_id": pl.Int64, "origin": pl.Int64},
    )
    physiology = patients.select(pl.col("patient_id").alias("origin"), *PHYSIOLOGY)
    moved = (
        patients.drop(PHYSIOLOGY)
        .join(moves, on="patient_id", how="left", maintain_order="left")
        .join(physiology, on="origin", how="left", maintain_order="left")
    )
    return moved.select(patients.columns)
