"""What every product folder promises, whatever it predicts; a new folder is found and judged by itself."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mlops_assets.catalogue import PRODUCTS_FOLDER, load_product, product_names
from mlops_assets.core.bento.build import build_bento
from mlops_assets.core.bento.golden_requests import golden_requests
from mlops_assets.core.bento.latency import LatencyLimits
from mlops_assets.core.bento.smoke import smoke_test
from mlops_assets.core.contracts.contract import apply_contract, describe_columns, event_columns
from mlops_assets.core.features.offline.executor import compute_features
from mlops_assets.core.labels.contract import check_labels
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.product import Product, RawData
from mlops_assets.core.training.fit import fit
from mlops_assets.core.training.training_set import build_training_set

SEEDS = (0, 1)
NUMERIC = (pl.Float64, pl.Int64, pl.Int8)


@dataclass(frozen=True)
class Sampled:
    """A product with its sample, and the features of the sample's events."""

    product: Product
    raw: RawData
    events: pl.DataFrame
    """Events as everything downstream of the contract sees them."""
    features: pl.DataFrame


def features_of(product: Product, events: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    return compute_features(product.view, events, labels if product.view.needs_labels else None)


@pytest.fixture(scope="module", params=product_names())
def sampled(request: pytest.FixtureRequest) -> Sampled:
    product = load_product(request.param)
    raw = product.sample(SEEDS[0])
    events = raw.events.select(event_columns(product.event_schema))
    return Sampled(product, raw, events, features_of(product, events, raw.labels))


@pytest.fixture(scope="module")
def training_set(sampled: Sampled) -> pl.DataFrame:
    """The sample's training set by the declared split, as of the day after the last outcome became known."""
    product, labels = sampled.product, sampled.raw.labels
    as_of = None
    if product.spec.time:
        last = labels["known_at"].max()
        assert isinstance(last, datetime)
        as_of = datetime.combine(last.date() + timedelta(days=1), time(), UTC)
    return build_training_set(product, features=sampled.features, labels=labels, as_of=as_of)


@pytest.fixture(scope="module")
def model(sampled: Sampled, training_set: pl.DataFrame) -> TrainedModel:
    """The product's own model with its declared setting, but few trees."""
    product = sampled.product
    return fit(
        training_set,
        feature_names=product.model_features,
        label=product.spec.label.column,
        training=product.spec.training.model_copy(update={"num_boost_round": 30}),
        parameters={},
    )


def test_every_folder_with_modules_is_a_product() -> None:
    folders = {path.parent.name for path in PRODUCTS_FOLDER.glob("*/schemas.py")}
    assert folders == set(product_names())


@pytest.mark.parametrize("seed", SEEDS)
def test_the_sample_meets_the_contract_and_is_seeded(sampled: Sampled, seed: int) -> None:
    product = sampled.product
    events, labels = product.sample(seed).events, product.sample(seed).labels
    result = apply_contract(
        events, product.event_schema, id_column=product.spec.id_column, subject=product.name
    )
    assert result.summary.rows() == []
    assert result.accepted.height == events.height > 0
    assert sampled.raw.events.equals(events) == sampled.raw.labels.equals(labels) == (seed == SEEDS[0])


def test_labels_carry_the_declared_columns_and_both_outcomes(sampled: Sampled) -> None:
    spec, labels = sampled.product.spec, sampled.raw.labels
    times = ["event_timestamp", "known_at"] if spec.time else []
    checked = check_labels(
        labels,
        id_column=spec.id_column,
        label=spec.label.column,
        has_times=spec.time is not None,
        events=sampled.product.event_schema,
        subject=spec.name,
    )
    assert checked.height == labels.height
    assert set(checked.columns) == {spec.id_column, spec.label.column, *times}
    assert labels[spec.label.column].unique().sort().to_list() == [0, 1]
    if spec.time:
        assert (
            labels.select((pl.col("known_at") - pl.col("event_timestamp")).min()).item() == spec.label_delay
        )


def test_neither_the_label_nor_an_outcome_is_a_feature_or_an_input_of_one(sampled: Sampled) -> None:
    product = sampled.product
    view, label = product.view, product.spec.label.column
    outcomes = {column.name for column in describe_columns(product.event_schema) if column.is_outcome}
    assert not {label, *outcomes} & set(view.feature_names)
    from_events = {
        column for sources in view.lineage.values() for stream, column in sources if stream == "events"
    }
    assert not {label, *outcomes} & from_events
    assert not {label, *outcomes} & set(view.input_columns)


def test_outcome_columns_never_leave_the_raw_events(sampled: Sampled) -> None:
    product, spec = sampled.product, sampled.product.spec
    seen = {*event_columns(product.event_schema), *product.view.feature_names}
    read = {
        *spec.entities,
        *(one.column for one in spec.evaluation.slices),
        *(column for baseline in product.baselines.values() for column in baseline.columns()),
        *product.view.input_columns,
    }
    if spec.evaluation.group_column:
        read.add(spec.evaluation.group_column)
    assert read <= seen
    assert spec.label.column not in event_columns(product.event_schema)


def test_rows_of_the_future_never_change_a_past_feature(sampled: Sampled) -> None:
    product, events, labels = sampled.product, sampled.events, sampled.raw.labels
    if product.spec.time is None:
        half = events.head(events.height // 2)
        assert features_of(product, half, labels).equals(
            sampled.features.join(half.select(product.spec.id_column), on=product.spec.id_column, how="semi")
        )
        return
    for share in (0.3, 0.6, 0.9):
        now = events["event_timestamp"].sort()[int(events.height * share)]
        past = events.filter(pl.col("event_timestamp") < now, pl.col("known_at") < now)
        as_of_now = features_of(product, past, labels.filter(pl.col("known_at") < now))
        later = sampled.features.join(
            past.select(product.spec.id_column), on=product.spec.id_column, how="semi"
        )
        assert 0 < as_of_now.height < events.height
        assert as_of_now.equals(later)


def test_names_in_the_declaration_exist(sampled: Sampled) -> None:
    product, spec = sampled.product, sampled.product.spec
    assert spec.name == product.folder.name == product.view.name
    assert spec.id_column == product.view.id_column
    assert spec.source.kind in product.readers
    assert spec.id_column in event_columns(product.event_schema)
    assert (product.view.event_timestamp is None) == (spec.time is None)
    assert set(product.model_features) <= set(product.view.feature_names)
    assert {gate.against for gate in spec.gates} <= {
        "absolute",
        "constant",
        "logistic_regression",
        "champion",
        *product.baselines,
    }
    assert (product.folder / "README.md").is_file()


def test_every_column_and_feature_is_described(sampled: Sampled) -> None:
    product = sampled.product
    assert [c.name for c in describe_columns(product.event_schema) if not c.description] == []
    assert [name for name in product.view.feature_names if not product.view.describe(name).description] == []


def test_a_null_of_a_feature_has_a_stated_meaning(sampled: Sampled) -> None:
    features = sampled.features
    with_nulls = [name for name in sampled.product.view.feature_names if features[name].null_count()]
    assert [name for name in with_nulls if not sampled.product.view.describe(name).null_means] == []


def test_features_are_numbers_finite_or_null_one_row_per_event(sampled: Sampled) -> None:
    view, features = sampled.product.view, sampled.features
    assert features[view.id_column].sort().equals(sampled.events[view.id_column].sort())
    for name in view.feature_names:
        assert features[name].dtype in NUMERIC, name
        assert features[name].cast(pl.Float64).drop_nulls().is_finite().all(), name


def test_baselines_score_the_sample(sampled: Sampled) -> None:
    product = sampled.product
    columns = [name for name in sampled.events.columns if name not in product.view.feature_names]
    rows = sampled.features.join(
        sampled.events.select({product.spec.id_column, *columns} - {product.view.event_timestamp}),
        on=product.spec.id_column,
    )
    for baseline in product.baselines.values():
        scores = baseline.over(rows).cast(pl.Float64)
        assert scores.drop_nulls().is_finite().all()
        assert scores.n_unique() > 2


def test_a_model_trains_on_the_sample_and_scores_its_test_rows(
    sampled: Sampled, training_set: pl.DataFrame, model: TrainedModel
) -> None:
    test_rows = training_set.filter(pl.col("split") == "test")
    scores = model.predict(test_rows)
    assert model.feature_names == sampled.product.model_features
    assert np.all((scores >= 0) & (scores <= 1))
    outcome = test_rows[sampled.product.spec.label.column].to_numpy() == 1
    assert scores[outcome].mean() > scores[~outcome].mean()


def test_the_packed_model_answers_golden_requests_with_the_offline_features_and_scores(
    sampled: Sampled, model: TrainedModel, tmp_path: Path
) -> None:
    product = sampled.product
    labels = sampled.raw.labels if product.view.needs_labels else None
    bento = build_bento(product, model, version=1, threshold=0.5, bentoml_home=tmp_path)
    golden = golden_requests(product, model, sampled.events, labels)
    result = smoke_test(bento, golden, limits=LatencyLimits(margin=1e6))
    assert result.requests == 100
    assert result.probe.requests > 0
