"""The contract of a SUPPORT patient: units, ranges that a living adult can have, and what a missing value
means.

The ranges state physiology, not this file. `outcome` marks columns that know what happened after day 3: they
never leave raw_events. Columns from interviews (education, income, activities of daily living, physicians'
estimates) were asked for until about the sixth day, so that early deaths are missing in them more often:
their absence knows something of the outcome.
"""

import pandera.polars as pa
from pandera.api.polars.model_config import BaseConfig

DISEASE_GROUPS = (
    "ARF/MOSF w/Sepsis",
    "CHF",
    "COPD",
    "Cirrhosis",
    "Colon Cancer",
    "Coma",
    "Lung Cancer",
    "MOSF w/Malig",
)
DISEASE_CLASSES = ("ARF/MOSF", "COPD/CHF/Cirrhosis", "Cancer", "Coma")
CANCER_STATUSES = ("no", "yes", "metastatic")
SEXES = ("female", "male")
RACES = ("white", "black", "hispanic", "asian", "other")
INCOME_BRACKETS = ("under $11k", "$11-$25k", "$25-$50k", ">$50k")
RESUSCITATION_ORDERS = ("no dnr", "dnr before sadm", "dnr after sadm")
DISABILITIES = (
    "no(M2 and SIP pres)",
    "adl>=4 (>=5 if sur)",
    "SIP>=30",
    "Coma or Intub",
    "<2 mo. follow-up",
)

OUTCOME = {"outcome": True}
NOT_MEASURED = "not measured by the end of day 3: the staff saw no need, or the study did not collect it yet"
NOT_RECORDED = "not recorded in the published file"
NO_INTERVIEW = "no interview took place; rarer for patients who lived on, so that a null knows of the outcome"


def _sign(unit: str) -> dict[str, str]:
    return {"unit": unit, "null_means": NOT_RECORDED}


def _laboratory(unit: str) -> dict[str, str]:
    return {"unit": unit, "null_means": NOT_MEASURED}


class EventSchema(pa.DataFrameModel):
    """One row is one critically ill adult, as known on day 3 after study entry, with what became of them."""

    patient_id: int = pa.Field(
        unique=True, ge=1, description="Number of the row in the published file, from 1."
    )
    age_years: float = pa.Field(
        ge=18, le=120, description="Age at study entry; adults only.", metadata={"unit": "years"}
    )
    sex: str = pa.Field(isin=SEXES, description="Sex as recorded at entry; for slices, never a feature.")
    race: str = pa.Field(
        isin=RACES,
        nullable=True,
        description="Race as recorded at entry; for slices, never a feature.",
        metadata={"null_means": NOT_RECORDED},
    )
    education_years: int = pa.Field(
        ge=0,
        le=40,
        nullable=True,
        description="Years of education; never a feature.",
        metadata={"unit": "years", "null_means": NO_INTERVIEW},
    )
    income_bracket: str = pa.Field(
        isin=INCOME_BRACKETS,
        nullable=True,
        description="Yearly household income in US dollars of about 1990; for slices, never a feature.",
        metadata={"null_means": NO_INTERVIEW},
    )
    disease_group: str = pa.Field(isin=DISEASE_GROUPS, description="Illness that qualified for the study.")
    disease_class: str = pa.Field(isin=DISEASE_CLASSES, description="Class of the disease group.")
    comorbidity_count: int = pa.Field(
        ge=0, le=20, description="Other chronic illnesses.", metadata={"unit": "illnesses"}
    )
    has_diabetes: int = pa.Field(isin=(0, 1), description="Diabetes among the comorbidities.")
    has_dementia: int = pa.Field(isin=(0, 1), description="Dementia among the comorbidities.")
    cancer_status: str = pa.Field(isin=CANCER_STATUSES, description="Cancer at entry, by spread.")
    hospital_day_at_entry: int = pa.Field(
        ge=1,
        le=3650,
        description="Day of the hospital stay on which the study began.",
        metadata={"unit": "day"},
    )
    coma_score: int = pa.Field(
        ge=0,
        le=100,
        nullable=True,
        description="SUPPORT coma score of day 3, from the Glasgow scale: 0 is awake, 100 no response.",
        metadata=_sign("points"),
    )

    mean_arterial_pressure_mmhg: float = pa.Field(
        ge=20,
        le=250,
        nullable=True,
        description="Day 3. Below 20 there is no circulation: an arrest, or a code for not measured.",
        metadata=_sign("mmHg"),
    )
    heart_rate_per_minute: float = pa.Field(
        ge=20,
        le=300,
        nullable=True,
        description="Day 3. Below 20 is an arrest, or a code for not measured.",
        metadata=_sign("1/min"),
    )
    respiratory_rate_per_minute: float = pa.Field(
        ge=0,
        le=100,
        nullable=True,
        description="Day 3. 0 is apnoea, which a ventilated patient survives.",
        metadata=_sign("1/min"),
    )
    temperature_celsius: float = pa.Field(
        ge=20, le=45, nullable=True, description="Core temperature, day 3.", metadata=_sign("°C")
    )
    white_blood_cells_thousand_per_ul: float = pa.Field(
        ge=0,
        le=1000,
        nullable=True,
        description="Leucocytes, day 3; 0 is aplasia, hundreds are leukaemia.",
        metadata=_laboratory("1000/µl"),
    )
    pao2_fio2_ratio_mmhg: float = pa.Field(
        ge=10,
        le=760,
        nullable=True,
        description="Arterial oxygen pressure by inspired share, day 3; the air's own is 760.",
        metadata=_laboratory("mmHg"),
    )
    arterial_ph: float = pa.Field(
        ge=6.5, le=8, nullable=True, description="Arterial blood, day 3.", metadata=_laboratory("pH")
    )
    serum_albumin_g_dl: float = pa.Field(
        ge=0.2, le=8, nullable=True, description="Day 3.", metadata=_laboratory("g/dl")
    )
    serum_bilirubin_mg_dl: float = pa.Field(
        ge=0, le=100, nullable=True, description="Total, day 3.", metadata=_laboratory("mg/dl")
    )
    serum_creatinine_mg_dl: float = pa.Field(
        ge=0, le=50, nullable=True, description="Day 3.", metadata=_laboratory("mg/dl")
    )
    serum_sodium_mmol_l: float = pa.Field(
        ge=90, le=210, nullable=True, description="Day 3.", metadata=_laboratory("mmol/l")
    )
    serum_glucose_mg_dl: float = pa.Field(
        ge=5,
        le=3000,
        nullable=True,
        description="Day 3; collected in phase II (from 1992) only. Below 5 is an old tube.",
        metadata=_laboratory("mg/dl"),
    )
    blood_urea_nitrogen_mg_dl: float = pa.Field(
        ge=0,
        le=400,
        nullable=True,
        description="Day 3; collected in phase II (from 1992) only.",
        metadata=_laboratory("mg/dl"),
    )
    urine_output_ml_day: float = pa.Field(
        ge=0,
        le=25_000,
        nullable=True,
        description="Day 3; collected in phase II (from 1992) only. 0 is anuria.",
        metadata=_laboratory("ml/day"),
    )

    apache_physiology_score: float = pa.Field(
        ge=0,
        le=252,
        nullable=True,
        description="Acute physiology score of APACHE III, day 3; never a feature.",
        metadata=_sign("points"),
    )
    support_physiology_score: float = pa.Field(
        ge=0,
        nullable=True,
        description="The SUPPORT model's physiology score, day 3. Its weights were fitted on the "
        "survival of phase I: part of that baseline, never a feature.",
        metadata=_sign("points"),
    )
    support_survival_probability_2_months: float = pa.Field(
        ge=0,
        le=1,
        nullable=True,
        description="The 1995 SUPPORT model's prediction: a baseline, never a feature.",
        metadata={"null_means": NOT_RECORDED},
    )
    support_survival_probability_6_months: float = pa.Field(
        ge=0,
        le=1,
        nullable=True,
        description="The 1995 SUPPORT model's prediction; never a feature.",
        metadata={"null_means": NOT_RECORDED},
    )
    physician_survival_probability_2_months: float = pa.Field(
        ge=0,
        le=1,
        nullable=True,
        description="The attending physician's estimate: a baseline, and a feature of one variant.",
        metadata={"null_means": NO_INTERVIEW},
    )
    physician_survival_probability_6_months: float = pa.Field(
        ge=0,
        le=1,
        nullable=True,
        description="The attending physician's estimate; never a feature.",
        metadata={"null_means": NO_INTERVIEW},
    )
    daily_activities_limited_patient: int = pa.Field(
        ge=0,
        le=7,
        nullable=True,
        description="Activities of daily living that the patient could not do before, by own account.",
        metadata={"unit": "activities", "null_means": NO_INTERVIEW},
    )
    daily_activities_limited_surrogate: int = pa.Field(
        ge=0,
        le=7,
        nullable=True,
        description="The same by the account of a relative.",
        metadata={"unit": "activities", "null_means": NO_INTERVIEW},
    )
    daily_activities_limited_imputed: float = pa.Field(
        ge=0,
        le=8,
        nullable=True,
        description="The same, imputed by the study from what is not documented; never a feature.",
        metadata={"unit": "activities", "null_means": NOT_RECORDED},
    )

    died: int = pa.Field(
        isin=(0, 1), description="Death at any time up to the end of 1994.", metadata=OUTCOME
    )
    follow_up_days: int = pa.Field(
        ge=0, description="Days from entry to death or end of follow-up.", metadata=OUTCOME | {"unit": "days"}
    )
    died_in_hospital: int = pa.Field(isin=(0, 1), description="Death in this stay.", metadata=OUTCOME)
    hospital_stay_days: int = pa.Field(
        ge=0, description="Days from entry to discharge or death.", metadata=OUTCOME | {"unit": "days"}
    )
    mean_tiss_score: float = pa.Field(
        ge=0,
        nullable=True,
        description="Intensity of treatment, mean of days 3 to 25.",
        metadata=OUTCOME | {"unit": "points"},
    )
    resuscitation_order: str = pa.Field(
        isin=RESUSCITATION_ORDERS,
        nullable=True,
        description="Order not to resuscitate, before entry or at any time after.",
        metadata=OUTCOME,
    )
    resuscitation_order_day: int = pa.Field(
        nullable=True,
        description="Day of the order, negative before entry; without one the day of discharge or death.",
        metadata=OUTCOME | {"unit": "day"},
    )
    functional_disability_2_months: str = pa.Field(
        isin=DISABILITIES, nullable=True, description="Ability at two months.", metadata=OUTCOME
    )
    hospital_charges_usd: float = pa.Field(
        ge=0, nullable=True, description="Charges of the whole stay.", metadata=OUTCOME | {"unit": "USD"}
    )
    total_cost_usd: float = pa.Field(
        ge=0,
        nullable=True,
        description="Cost of the whole stay, from charges.",
        metadata=OUTCOME | {"unit": "USD"},
    )
    total_micro_cost_usd: float = pa.Field(
        nullable=True,
        description="Cost of the whole stay, item by item; corrections can make it negative.",
        metadata=OUTCOME | {"unit": "USD"},
    )

    class Config(BaseConfig):
        """Unknown columns fail; types are checked, never cast."""

        strict = True
        coerce = False
