"""SUPPORT2 and its copies: read in our names, or refused by name."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from mlops_assets.core.contracts.contract import apply_contract, conform, event_columns
from mlops_assets.core.errors import SchemaDriftError, SourceError
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


def context(path: Path, **options: bool) -> SourceContext:
    source = Source(kind="csv", path=str(path), options=dict(options))
    return SourceContext(source=source, folder=path.parent, cache=path.parent)


def write_csv(patients: pl.DataFrame, path: Path) -> Path:
    """Write the sample as SUPPORT2 stands in its file: its names, padded numbers, empty for null."""
    theirs = {ours: name for name, (ours, _) in COLUMNS.items() if ours in patients.columns}
    padded = patients.with_columns((" " + pl.all().cast(pl.String)).fill_null("").name.keep()).rename(theirs)
    padded.write_csv(path)
    return path


def test_columns_that_know_the_future_never_leave_the_raw_events():
    assert set(EventSchema.to_schema().columns) - set(event_columns(EventSchema)) == FUTURE


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


@pytest.mark.parametrize("first", ["one name fewer", "Index", "", "Unnamed: 0"])
@pytest.mark.parametrize("start", [0, 1])
def test_a_column_that_counts_the_rows_is_left_aside(tmp_path: Path, first: str, start: int):
    drawn = sample(2)
    lines = write_csv(drawn.events.drop("patient_id"), tmp_path / "cohort.csv").read_text().splitlines()
    header = lines[0] if first == "one name fewer" else f"{first},{lines[0]}"
    numbered = [f'"{number}",{line}' for number, line in enumerate(lines[1:], start)]
    (tmp_path / "cohort.csv").write_text("\n".join([header, *numbered]))
    assert_frame_equal(read_patients(tmp_path / "cohort.csv"), drawn.events, check_column_order=False)


@pytest.mark.parametrize("text", ["NULL", ".", "Total", "12 years"])
def test_a_value_that_does_not_parse_rejects_its_row_with_what_stood_there(tmp_path: Path, text: str):
    path = write_csv(sample(2).events, tmp_path / "cohort.csv")
    texts = pl.read_csv(path, infer_schema=False)
    texts.with_columns(
        age=pl.when(pl.int_range(pl.len()) == 7).then(pl.lit(text)).otherwise("age")
    ).write_csv(path)
    raw = conform(read_patients(path), EventSchema, subject="test")
    result = apply_contract(raw, EventSchema, id_column="patient_id", subject="test")
    assert result.rejected["reasons"].to_list() == [[f"age_years: is Float64, got {text}"]]
    assert result.accepted.height == 599
    assert labels_of(read_patients(path)).height > 500


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("age,sex\n", "no rows"),
        ("", "no rows"),
        ("sno,id,age\n1,1,40\n", "sno and id, which both are patient_id"),
        ("age,age\n1,1\n", "'age' twice"),
        (",age\n5,40\n", "does not count the rows"),
        ("age,sex\n40,male\n41,male,x,y\n", "cannot be read as CSV"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_by_name(tmp_path: Path, content: str, told: str):
    (tmp_path / "cohort.csv").write_text(content)
    with pytest.raises(SourceError, match=told):
        SOURCES["csv"].events(context(tmp_path / "cohort.csv"), start=None, end=None)


def test_realigning_another_file_than_the_published_one_is_refused(tmp_path: Path):
    path = write_csv(sample(2).events, tmp_path / "cohort.csv")
    with pytest.raises(SourceError, match="published file of 9,105 patients in its order; it has 600 rows"):
        SOURCES["csv"].events(context(path, realign=True), start=None, end=None)
    path = write_csv(sample(2).events.drop("arterial_ph"), tmp_path / "other.csv")
    with pytest.raises(SourceError, match="it has no column arterial_ph"):
        SOURCES["csv"].events(context(path, realign=True), start=None, end=None)


def test_a_missing_file_and_an_unknown_option_say_what_is_wrong(tmp_path: Path):
    with pytest.raises(SourceError, match=r"no file .*nowhere\.csv"):
        SOURCES["csv"].events(context(tmp_path / "nowhere.csv"), start=None, end=None)
    path = write_csv(sample(2).events, tmp_path / "cohort.csv")
    with pytest.raises(SourceError, match="no typo; it takes realign"):
        SOURCES["csv"].events(context(path, typo=True), start=None, end=None)
