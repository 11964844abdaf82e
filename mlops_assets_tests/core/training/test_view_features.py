"""Rows are of the view that is asked for, whichever view made the stored ones: for training, and for scoring."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mlops_assets.core.canary.canary import Canary
from mlops_assets.core.canary.evaluation_rows import rows_of_both
from mlops_assets.core.errors import RegistryError, TrainingError
from mlops_assets.core.features.expressions import col
from mlops_assets.core.features.view import FEATURE_VIEW, RowFeature
from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.lakehouse.write import CommitInfo
from mlops_assets.core.product import Product
from mlops_assets.core.registry.mlflow_client import mlflow_client
from mlops_assets.core.registry.tag_names import VIEW_TAG
from mlops_assets.core.release.champion import load_champion
from mlops_assets.core.release.plan import Arm, ReleasePlan
from mlops_assets.core.release.record import plan_entry
from mlops_assets.core.training.view_features import features_by_view
from mlops_assets_tests.support.homes.small_home import (
    AS_OF,
    CANDIDATE,
    END_DAY,
    FIRST_DAY,
    FRAUD,
    LAST_DAY,
    PASSING_GATE,
    SmallHome,
    small_product,
)

AGAINST_CHAMPION = {**PASSING_GATE, "name": "not_worse", "against": "champion", "minimum_rows": 20}
ID = "transaction_id"
AT = datetime(2026, 3, 1, tzinfo=UTC)
HALF = AS_OF - timedelta(days=20)
"""Inside the train window."""
DAYS = DayRange(FIRST_DAY, END_DAY)


def redefined(product: Product) -> Product:
    """The same product; one feature that the champion uses means something else under its old name."""
    name = next(
        feature.name for feature in product.view.row_features if feature.name in product.model_features
    )
    other = RowFeature(name, col("amount_usd") * -1.0, "Something else")
    features = tuple(other if feature.name == name else feature for feature in product.view.features)
    return replace(product, view=replace(product.view, features=features))


def dropped(product: Product) -> Product:
    """The product without a row feature that the champion uses."""
    name = next(
        feature.name for feature in product.view.row_features if feature.name in product.model_features
    )
    features = tuple(feature for feature in product.view.features if feature.name != name)
    spec = product.spec.model_copy(
        update={"model_features": tuple(each for each in product.model_features if each != name)}
    )
    return replace(product, spec=spec, view=replace(product.view, features=features))


@pytest.fixture
def home(released_home: SmallHome, tmp_path: Path) -> SmallHome:
    return SmallHome(released_home.copy(tmp_path / "home").root, small_product(gates=[AGAINST_CHAMPION]))


def champion_metrics(home: SmallHome) -> dict[str, float]:
    rows = home.read("evaluation").filter(contender="champion", kind="metric")
    return dict(rows.select("metric", "value").iter_rows())


def test_a_version_keeps_its_own_view(home: SmallHome) -> None:
    champion = load_champion(home.control, FRAUD, declared_view=redefined(home.product).view)
    assert champion.view.digest == home.product.view.digest


def test_a_redefined_feature_leaves_batch_scores_as_they_are(home: SmallHome) -> None:
    home.materialize("predictions", days=LAST_DAY)
    before = home.read("predictions").select(ID, "score", "model_version").sort(ID)
    other = home.with_product(redefined)
    other.materialize("features", days=LAST_DAY)
    assert not other.read("features").sort(ID).equals(home.read("features", version=0).sort(ID))
    other.materialize("predictions", days=LAST_DAY)
    after = other.read("predictions").select(ID, "score", "model_version").sort(ID)
    assert before.height > 20
    assert after.equals(before)


@pytest.mark.parametrize("change", [redefined, dropped])
def test_the_champion_is_compared_by_its_own_features(home: SmallHome, change) -> None:
    other = home.with_product(change)
    first, last = other.read("features")["event_date"].min(), other.read("features")["event_date"].max()
    other.materialize("features", days=(first, last))
    result = other.materialize(*CANDIDATE, as_of=AS_OF)
    assert result.success
    champion = load_champion(home.control, FRAUD, declared_view=other.product.view)
    own = home.read("training_set", version=champion.training_set_version).filter(split="test")
    judged = other.read("training_set").filter(split="test")
    assert own[ID].equals(judged[ID])
    scores, labels = champion.model.predict(own), own["is_fraud"].to_numpy()
    assert champion_metrics(other)["brier"] == pytest.approx(
        float(np.mean((scores - labels) ** 2)), abs=1e-12
    )
    assert_a_canary_would_expect(other, own)


def assert_a_canary_would_expect(home: SmallHome, own: pl.DataFrame) -> None:
    """Each version of a canary is expected to score by its own view; `own` are the test rows by the champion's."""
    trial = ReleasePlan(
        "canary", (Arm(1, 50, "champion"), Arm(2, 50, "challenger")), AT, "ann", "trial", {}, 2, None
    )
    home.control.change(FRAUD, lambda _: [plan_entry(trial, [home.control.version(FRAUD, 2)])])
    canary = Canary(FRAUD, champion=1, challenger=2, steps=(trial,))
    found = rows_of_both(home.product.spec, canary, tables=home.tables, control=home.control)
    assert found is not None
    ordered = own.sort("event_timestamp", ID)
    assert np.array_equal(found.champion, home.registry.load(FRAUD, 1).predict(ordered))
    judged = home.read("training_set").filter(split="test").sort("event_timestamp", ID)
    assert np.array_equal(found.challenger, home.registry.load(FRAUD, 2).predict(judged))


def test_a_version_of_before_whose_view_was_not_stored_is_used_with_that_view_only(home: SmallHome) -> None:
    (version,) = home.registry.versions(FRAUD)
    mlflow_client(home.settings.tracking_uri).delete_tag(version.run_id, VIEW_TAG)
    home.materialize("predictions", days=LAST_DAY)
    other = home.with_product(redefined)
    with pytest.raises(
        RegistryError, match=r"version 1 was trained with the feature view .* not stored with it"
    ):
        other.materialize("predictions", days=LAST_DAY)


def added(product: Product) -> Product:
    """The product with one feature more."""
    more = RowFeature("amount_again", col("amount_usd") * 1.0, "The amount")
    return replace(product, view=replace(product.view, features=(*product.view.features, more)))


@pytest.fixture
def ingested(ingested_home: SmallHome, tmp_path: Path) -> SmallHome:
    return ingested_home.copy(tmp_path / "home")


def rows_of_own_view(home: SmallHome) -> pl.DataFrame:
    found = features_by_view(home.tables, FRAUD, home.product.view, days=DAYS)
    assert found.rows[FEATURE_VIEW].unique().to_list() == [home.product.view.digest]
    return found.rows.sort(ID)


def without_the_column(home: SmallHome, commit: CommitInfo) -> None:
    """As a version of before wrote the table."""
    old = home.read("features").drop(FEATURE_VIEW)
    home.tables.write(FRAUD, "features", old, days=DAYS, commit=commit)


def test_a_training_set_never_mixes_two_definitions(ingested: SmallHome, tmp_path: Path) -> None:
    other = ingested.with_product(redefined)
    other.materialize("features", days=(HALF, LAST_DAY))
    assert other.read("features")[FEATURE_VIEW].n_unique() == 2
    other.materialize("training_set", as_of=AS_OF)
    rows = other.read("training_set")
    assert rows["event_timestamp"].dt.date().min() < HALF < rows["event_timestamp"].dt.date().max()
    assert rows[FEATURE_VIEW].unique().to_list() == [other.product.view.digest]
    fresh = other.copy(tmp_path / "fresh").with_product(lambda _: other.product)
    fresh.materialize("features", days=(FIRST_DAY, LAST_DAY))
    fresh.materialize("training_set", as_of=AS_OF)
    assert fresh.read("training_set").equals(rows)
    made_from = [one.tables.last_commit_info(FRAUD, "training_set").inputs for one in (other, fresh)]
    assert made_from[0] == made_from[1]


def test_a_feature_that_was_added_is_there_on_days_that_were_not_made_again(ingested: SmallHome) -> None:
    other = ingested.with_product(added)
    other.materialize("features", days=LAST_DAY)
    rows = rows_of_own_view(other)
    assert rows["amount_again"].equals(rows["amount_usd"].alias("amount_again"))
    assert rows.height == ingested.read("events").height


def test_only_days_of_another_view_are_computed(ingested: SmallHome) -> None:
    own = ingested.product.view
    before = ingested.read("features").sort(ID)
    other = ingested.with_product(redefined)
    other.materialize("features", days=HALF)
    assert features_by_view(other.tables, FRAUD, own, days=DAYS).computed == (HALF,)
    assert rows_of_own_view(ingested).equals(before)
    assert len(features_by_view(other.tables, FRAUD, other.product.view, days=DAYS).computed) == 60
    one = DayRange(HALF, HALF + timedelta(days=1))
    assert features_by_view(other.tables, FRAUD, other.product.view, days=one).computed == ()


def test_rows_of_before_views_were_named_are_of_the_view_that_their_commit_names(ingested: SmallHome) -> None:
    before, commit = ingested.read("features").sort(ID), ingested.tables.last_commit_info(FRAUD, "features")
    without_the_column(ingested, commit)
    own, other = ingested.product.view, ingested.with_product(redefined)
    assert features_by_view(ingested.tables, FRAUD, own, days=DAYS).computed == ()
    assert rows_of_own_view(ingested).equals(before)
    assert len(features_by_view(other.tables, FRAUD, other.product.view, days=DAYS).computed) == 61
    ingested.materialize("features", days=LAST_DAY)
    assert ingested.read("features")[FEATURE_VIEW].null_count() > 0
    assert features_by_view(ingested.tables, FRAUD, own, days=DAYS).computed == ()


def test_rows_of_which_nothing_tells_the_view_are_computed(ingested: SmallHome) -> None:
    before = ingested.read("features").sort(ID)
    without_the_column(ingested, CommitInfo(run_id="of before"))
    found = features_by_view(ingested.tables, FRAUD, ingested.product.view, days=DAYS)
    assert len(found.computed) == 61
    assert rows_of_own_view(ingested).equals(before)


def test_days_without_rows_have_none(ingested: SmallHome) -> None:
    day = date(2030, 1, 1)
    found = features_by_view(
        ingested.tables, FRAUD, added(ingested.product).view, days=DayRange(day, day + timedelta(days=1))
    )
    assert (found.rows.height, found.computed) == (0, ())
    assert "amount_again" in found.rows.columns


@pytest.mark.parametrize("noun", ["hyperparameters", "model"])
def test_nothing_learns_from_a_training_set_of_another_view(home: SmallHome, noun: str) -> None:
    other = home.with_product(redefined)
    with pytest.raises(TrainingError, match="materialize fraud_detection/training_set first"):
        other.materialize(noun)
    assert home.materialize(noun).success


def test_a_training_set_of_before_views_were_named_has_the_view_of_its_commit(home: SmallHome) -> None:
    commit = home.tables.last_commit_info(FRAUD, "training_set")
    old = home.read("training_set").drop(FEATURE_VIEW)
    home.tables.write(FRAUD, "training_set", old, days=None, commit=commit)
    assert home.materialize("hyperparameters").success
    with pytest.raises(TrainingError, match="materialize fraud_detection/training_set first"):
        home.with_product(redefined).materialize("hyperparameters")


def test_predictions_and_outcomes_name_the_view_of_the_version_that_scored(home: SmallHome) -> None:
    other = home.with_product(redefined)
    other.materialize("features", days=LAST_DAY)
    other.materialize("predictions", "outcomes", days=LAST_DAY)
    for noun in ("predictions", "outcomes"):
        assert home.read(noun)[FEATURE_VIEW].unique().to_list() == [home.product.view.digest]
