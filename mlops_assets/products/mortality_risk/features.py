"""What the model may see of a patient on day 3: bedside and laboratory facts, age and diagnosis.

Left out on purpose: sex, race, income and education (for slices only; the 1995 SUPPORT model did without them
too); scores that others fitted on these patients' survival (sps, surv2m, surv6m); APACHE's score, which adds
nothing to the physiology that it is computed from; activities of daily living, whose absence knows who died
before the interview. Age is in: it is clinical, and the risk of dying depends on it. Missing stays null,
which trees split on.
"""

from mlops_assets.core.features.expressions import col, literal
from mlops_assets.core.features.view import FeatureView, RowFeature
from mlops_assets.products.mortality_risk.schemas import (
    CANCER_STATUSES,
    DISEASE_GROUPS,
    NO_INTERVIEW,
    NOT_MEASURED,
    NOT_RECORDED,
)


def _as_is(name: str, description: str, *, unit: str, null_means: str = "") -> RowFeature:
    return RowFeature(name, col(name).cast_float(), description, unit=unit, null_means=null_means)


VIEW = FeatureView(
    name="mortality_risk",
    id_column="patient_id",
    event_timestamp=None,
    features=(
        _as_is("age_years", "Age at study entry.", unit="years"),
        RowFeature(
            "disease_group_code",
            col("disease_group").category(DISEASE_GROUPS),
            f"Qualifying illness: {', '.join(f'{code} {name}' for code, name in enumerate(DISEASE_GROUPS))}.",
        ),
        RowFeature(
            "cancer_status_code",
            col("cancer_status").category(CANCER_STATUSES),
            "Cancer at entry by spread: 0 no, 1 yes, 2 metastatic.",
        ),
        _as_is("comorbidity_count", "Other chronic illnesses.", unit="illnesses"),
        _as_is("has_diabetes", "1 with diabetes.", unit="0/1"),
        _as_is("has_dementia", "1 with dementia.", unit="0/1"),
        _as_is("hospital_day_at_entry", "Day of the hospital stay on which the study began.", unit="day"),
        _as_is("coma_score", "SUPPORT coma score, 0 awake to 100.", unit="points", null_means=NOT_RECORDED),
        _as_is("mean_arterial_pressure_mmhg", "Mean pressure.", unit="mmHg", null_means=NOT_RECORDED),
        _as_is("heart_rate_per_minute", "Heart rate.", unit="1/min", null_means=NOT_RECORDED),
        _as_is("respiratory_rate_per_minute", "Respiratory rate.", unit="1/min", null_means=NOT_RECORDED),
        _as_is("temperature_celsius", "Core temperature.", unit="°C", null_means=NOT_RECORDED),
        _as_is("white_blood_cells_thousand_per_ul", "Leucocytes.", unit="1000/µl", null_means=NOT_MEASURED),
        _as_is("pao2_fio2_ratio_mmhg", "Oxygenation of the lung.", unit="mmHg", null_means=NOT_MEASURED),
        _as_is("arterial_ph", "Arterial pH.", unit="pH", null_means=NOT_MEASURED),
        _as_is("serum_albumin_g_dl", "Albumin.", unit="g/dl", null_means=NOT_MEASURED),
        _as_is("serum_bilirubin_mg_dl", "Bilirubin.", unit="mg/dl", null_means=NOT_MEASURED),
        _as_is("serum_creatinine_mg_dl", "Creatinine.", unit="mg/dl", null_means=NOT_MEASURED),
        _as_is("serum_sodium_mmol_l", "Sodium.", unit="mmol/l", null_means=NOT_MEASURED),
        _as_is("serum_glucose_mg_dl", "Glucose.", unit="mg/dl", null_means=NOT_MEASURED),
        _as_is("blood_urea_nitrogen_mg_dl", "Urea nitrogen.", unit="mg/dl", null_means=NOT_MEASURED),
        _as_is("urine_output_ml_day", "Urine in 24 hours.", unit="ml/day", null_means=NOT_MEASURED),
        RowFeature(
            "physician_death_probability",
            literal(1.0) - col("physician_survival_probability_2_months"),
            "The attending physician's estimate of death within two months; for the variant with_physicians.",
            unit="probability",
            null_means=NO_INTERVIEW,
        ),
    ),
)

BASELINES = {
    "support_model": literal(1.0) - col("support_survival_probability_2_months"),
    "physicians": literal(1.0) - col("physician_survival_probability_2_months"),
}
