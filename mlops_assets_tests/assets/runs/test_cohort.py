"""A product without a time axis tells the same story, unpartitioned, with its variant beside it."""

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from mlops_assets.assets.support.reports.outcomes import SAME_ROWS
from mlops_assets.catalogue import load_product
from mlops_assets.commands.product_status import product_status
from mlops_assets.core.contracts.contract import describe_columns
from mlops_assets.core.errors import TrainingError
from mlops_assets.core.monitoring.reports import report_path
from mlops_assets.core.online_store.opening import open_online_store
from mlops_assets.core.product import Product, Reader, SourceContext
from mlops_assets.core.product_spec import ProductSpec
from mlops_assets.core.release.plan import Order, release
from mlops_assets.core.serving.prediction_record import PredictionRecord, encode_record
from mlops_assets_tests.support.homes.plans import write_plan
from mlops_assets_tests.support.homes.small_home import CANDIDATE, INGEST, SmallHome

RETRAIN = (*CANDIDATE[:2], "model", "model_with_physicians", "evaluation", "model_version")


def small_cohort() -> Product:
    """Mortality risk on its synthetic sample of 600 patients, with few trees."""
    product = load_product("mortality_risk")
    sample = product.sample(0)

    def events(context: SourceContext, *, start: datetime | None, end: datetime | None) -> pl.DataFrame:
        assert start is end is None
        return sample.events

    def labels(context: SourceContext, *, start: datetime | None, end: datetime | None) -> pl.DataFrame:
        assert start is end is None
        return sample.labels

    content = product.spec.model_dump(mode="json")
    content["training"] |= {"num_boost_round": 30}
    content["tuning"] |= {"trials": 1}
    content["evaluation"] |= {"bootstrap_samples": 100}
    spec = ProductSpec.model_validate(content)
    return replace(product, spec=spec, readers={spec.source.kind: Reader(events, labels)})


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> SmallHome:
    home = SmallHome(tmp_path_factory.mktemp("cohort") / "home", small_cohort())
    home.materialize(*INGEST)
    home.materialize(*RETRAIN)
    return home


def test_columns_that_know_the_outcome_stay_in_the_raw_events(home: SmallHome) -> None:
    outcomes = {column.name for column in describe_columns(home.product.event_schema) if column.is_outcome}
    assert outcomes <= set(home.read("raw_events").columns)
    for noun in ("events", "features", "training_set"):
        assert not outcomes & set(home.read(noun).columns), noun


def test_the_splits_are_disjoint_and_stratified(home: SmallHome) -> None:
    rows = home.read("training_set")
    assert rows["patient_id"].is_unique().all()
    assert rows.height == home.read("labels").height
    shares = rows.group_by("split").agg(pl.col("died_within_2_months").mean().alias("share"))["share"]
    assert shares.max() - shares.min() < 0.02


def test_the_variant_is_evaluated_beside_the_model_but_only_the_model_is_registered(home: SmallHome) -> None:
    contenders = set(home.read("evaluation")["contender"])
    assert {"candidate", "with_physicians", "support_model", "physicians", "constant"} <= contenders
    (version,) = home.registry.versions("mortality_risk")
    assert (
        version.digest == home.read("model")["digest"][0] != home.read("model_with_physicians")["digest"][0]
    )
    assert {verdict.gate for verdict in version.verdicts} == {gate.name for gate in home.product.spec.gates}


def test_running_the_cohort_again_changes_nothing(home: SmallHome) -> None:
    tables, runs = home.table_versions(), home.mlflow_runs()
    home.materialize(*INGEST)
    home.materialize(*RETRAIN)
    assert (home.table_versions(), home.mlflow_runs()) == (tables, runs)


def test_a_cohort_takes_no_as_of_day(home: SmallHome) -> None:
    config = {"ops": {"mortality_risk__training_set": {"config": {"as_of": "1994-01-01"}}}}
    with pytest.raises(
        TrainingError, match="mortality_risk has no time axis: its training set takes no as_of"
    ):
        home.materialize("training_set", config=config)


def test_a_cohort_unites_what_was_served_with_the_batch_scores_of_unseen_members(home: SmallHome) -> None:
    plan = release(None, Order(datetime(1995, 1, 1, tzinfo=UTC), "ada", "to score"), version=1)
    write_plan(home.control, "mortality_risk", plan)
    split = dict(home.read("training_set").select("patient_id", "split").iter_rows())
    test_members = [member for member, name in split.items() if name == "test"]
    train_member = next(member for member, name in split.items() if name == "train")
    with closing(open_online_store(home.settings.online_store, "mortality_risk")) as store:
        records = [served(member, at=at) for at, member in enumerate((test_members[0], train_member))]
        store.commit([], [encode_record(record) for record in records])
    home.materialize("served_predictions", "predictions", "outcomes")
    predictions = home.read("predictions")
    assert dict(predictions.group_by("arm").len().iter_rows()) == {
        "champion": 2,
        "batch": len(test_members) - 1,
    }
    assert predictions["patient_id"].is_unique().all()
    assert home.read("outcomes").height == predictions.height


def test_on_rows_that_the_champion_was_chosen_on_check_page_metadata_table_and_status_are_inconclusive(
    home: SmallHome,
) -> None:
    plan = release(None, Order(datetime(1995, 1, 1, tzinfo=UTC), "ada", "to score"), version=1)
    if home.control.standing("mortality_risk") is None:
        write_plan(home.control, "mortality_risk", plan)
    result = home.materialize("predictions", "outcomes", "performance_report")
    key = dg.AssetKey(["mortality_risk", "performance_report"])
    (check,) = result.get_asset_check_evaluations()
    (event,) = result.asset_materializations_for_node(key.to_python_identifier())
    metadata = event.metadata
    assert check.passed
    assert check.description == f"version 1, all rows: inconclusive: {SAME_ROWS}"
    assert (metadata["verdict"].value, metadata["reason"].value) == ("inconclusive", SAME_ROWS)
    assert set(home.read("performance_report")["window_verdict"]) == {"inconclusive"}
    page = report_path(
        home.settings.reports, product="mortality_risk", kind="performance_report", window="all"
    )
    assert f"verdict: inconclusive, {SAME_ROWS}" in page.read_text(encoding="utf-8")
    now = datetime(1995, 1, 2, tzinfo=UTC)
    assert (
        product_status(home.settings, "mortality_risk", now=now).performance
        == "inconclusive (version 1, all rows)"
    )


def test_the_groups_of_a_cohort_are_measured_and_the_rows_it_was_chosen_on_prove_nothing(
    home: SmallHome,
) -> None:
    plan = release(None, Order(datetime(1995, 1, 1, tzinfo=UTC), "ada", "to score"), version=1)
    if home.control.standing("mortality_risk") is None:
        write_plan(home.control, "mortality_risk", plan)
    result = home.materialize("predictions", "outcomes", "fairness_report")
    (check,) = result.get_asset_check_evaluations()
    assert (check.check_name, check.passed) == ("fairness_holds", True)
    assert check.description == f"version 1, all rows: inconclusive: {SAME_ROWS}"
    groups = home.read("fairness_report")
    assert set(groups["slice"]) == {"sex", "race", "age_years", "income_bracket"}
    of_sex = groups.filter(pl.col("slice") == "sex", pl.col("metric") == "auc")
    assert of_sex["rows"].sum() == home.read("outcomes").height
    assert of_sex["reference_value"].null_count() == 0


def test_another_split_seed_compares_nobody_on_rows_that_he_learned_from(
    home: SmallHome, tmp_path: Path
) -> None:
    copied = home.copy(tmp_path / "home")
    if copied.control.standing("mortality_risk") is None:
        order = Order(datetime(1995, 1, 1, tzinfo=UTC), "ada", "to score")
        write_plan(copied.control, "mortality_risk", release(None, order, version=1))
    before = copied.read("training_set")
    learned = before.filter(pl.col("split") != "test")["patient_id"]
    spec = home.product.spec
    other = copied.with_product(
        lambda product: replace(
            product, spec=spec.model_copy(update={"split": spec.split.model_copy(update={"seed": 1})})
        )
    )
    other.materialize("training_set", "hyperparameters", "model")
    with pytest.raises(TrainingError, match="materialize mortality_risk/model_with_physicians first"):
        other.materialize("evaluation")
    other.materialize("model_with_physicians", "evaluation")
    test = other.read("training_set").filter(split="test")["patient_id"]
    seen = test.is_in(learned.implode()).sum()
    assert 0 < seen < test.len()
    champion = other.read("evaluation").filter(contender="champion", kind="metric", metric="auc")
    assert champion["rows"].to_list() == [test.len() - seen]
    (verdict,) = other.read("gate_verdicts").filter(name="not_inferior_to_champion").to_dicts()
    assert f"the champion learned from {seen} of the {test.len()} test rows" in verdict["reason"]


def served(member: int, *, at: int) -> PredictionRecord:
    return PredictionRecord(
        prediction_id=f"v1-{member}",
        event_id=member,
        request={"patient_id": member},
        event_timestamp=None,
        known_at=None,
        received_at=1_700_000_000_000_000 + at,
        version=1,
        role="champion",
        plan_sequence=1,
        features=(1.0,),
        score=0.25,
        threshold=0.5,
        decision=0,
    )
