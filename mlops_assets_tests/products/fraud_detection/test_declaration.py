"""The declaration of fraud detection agrees with its modules."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from mlops_assets.core.product import SourceContext
from mlops_assets.core.product_spec import ProductSpec
from mlops_assets.core.training.fit import canonical_parameters
from mlops_assets.products.fraud_detection import dataset, features

FOLDER = Path(dataset.__file__).parent
WEEK = timedelta(days=7)


@pytest.fixture(scope="module")
def spec() -> ProductSpec:
    return ProductSpec.model_validate(yaml.safe_load((FOLDER / "defs.yaml").read_text())["attributes"])


def _day(number: int) -> datetime:
    return datetime(2018, 4, 1, tzinfo=UTC) + timedelta(days=number)


def test_the_declaration_is_valid_and_agrees_with_the_dataset(spec):
    assert spec.time is not None and spec.time.end_date == date(2018, 10, 1)
    reader = dataset.SOURCES[spec.source.kind]
    context = SourceContext(spec.source, folder=FOLDER, cache=FOLDER)
    events = reader.events(context, start=_day(0), end=_day(1))
    labels = reader.labels(context, start=_day(7), end=_day(8))
    assert (labels["known_at"] - labels["event_timestamp"] == spec.label_delay).all()
    last = spec.time.end_date - timedelta(days=1)
    midnight = datetime(last.year, last.month, last.day, tzinfo=UTC)
    assert reader.events(context, start=midnight, end=midnight + WEEK)["event_timestamp"].max() < (
        midnight + timedelta(days=1)
    )
    known = set(events.columns) | set(features.VIEW.feature_names)
    assert {spec.evaluation.group_column, *spec.entities, spec.id_column} <= known
    assert {part.column for part in spec.evaluation.slices} <= known
    assert spec.label.column in labels.columns


def test_the_declared_lightgbm_parameters_are_ones_that_training_takes(spec):
    canonical_parameters(spec.training.parameters)
    canonical_parameters(dict.fromkeys(spec.tuning.search_space, 1))
