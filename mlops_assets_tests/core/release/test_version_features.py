"""A released version scores by its own features, whatever the product declares since."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlops_assets.core.errors import RegistryError
from mlops_assets.core.features.expressions import col
from mlops_assets.core.features.view import RowFeature
from mlops_assets.core.product import Product
from mlops_assets.core.registry.mlflow_client import mlflow_client
from mlops_assets.core.registry.tag_names import VIEW_TAG
from mlops_assets.core.release.champion import load_champion
from mlops_assets_tests.support.homes.small_home import (
    AS_OF,
    FRAUD,
    LAST_DAY,
    PASSING_GATE,
    SmallHome,
    small_product,
)

AGAINST_CHAMPION = {**PASSING_GATE, "name": "not_worse", "against": "champion", "minimum_rows": 20}
ID = "transaction_id"


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
    result = other.materialize("training_set", "hyperparameters", "model", "evaluation", as_of=AS_OF)
    assert result.success
    champion = load_champion(home.control, FRAUD, declared_view=other.product.view)
    own = home.read("training_set", version=champion.training_set_version).filter(split="test")
    judged = other.read("training_set").filter(split="test")
    assert own[ID].equals(judged[ID])
    scores, labels = champion.model.predict(own), own["is_fraud"].to_numpy()
    assert champion_metrics(other)["brier"] == pytest.approx(
        float(np.mean((scores - labels) ** 2)), abs=1e-12
    )


def test_a_version_of_before_whose_view_was_not_stored_is_used_with_that_view_only(home: SmallHome) -> None:
    (version,) = home.registry.versions(FRAUD)
    mlflow_client(home.settings.tracking_uri).delete_tag(version.run_id, VIEW_TAG)
    home.materialize("predictions", days=LAST_DAY)
    other = home.with_product(redefined)
    with pytest.raises(
        RegistryError, match=r"version 1 was trained with the feature view .* not stored with it"
    ):
        other.materialize("predictions", days=LAST_DAY)
