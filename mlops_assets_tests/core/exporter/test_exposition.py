"""Samples as Prometheus reads them."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from mlops_assets.core.exporter.exposition import exposition
from mlops_assets.core.exporter.metric import Metric

AGE = Metric(name="mlops_age_seconds", meaning="How old.")
DROPPED = Metric(name="mlops_dropped_total", meaning="What went.", labels=("sink",), kind="counter")
NEVER = Metric(name="mlops_never", meaning="Has no value.", labels=())


def test_prometheus_reads_back_names_kinds_labels_and_values() -> None:
    text = exposition([AGE, DROPPED, NEVER], [DROPPED.of(2, 'a "b"\n\\c'), AGE.of(1.5, "shop")]).decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert {name: family.type for name, family in families.items()} == {
        "mlops_age_seconds": "gauge",
        "mlops_dropped": "counter",
        "mlops_never": "gauge",
    }
    (age,), (dropped,) = families["mlops_age_seconds"].samples, families["mlops_dropped"].samples
    assert (age.name, age.labels, age.value) == ("mlops_age_seconds", {"product": "shop"}, 1.5)
    assert (dropped.name, dropped.labels, dropped.value) == (
        "mlops_dropped_total",
        {"sink": 'a "b"\n\\c'},
        2.0,
    )
    assert families["mlops_never"].documentation == "Has no value."
    assert families["mlops_never"].samples == []


def test_a_value_of_a_metric_that_was_not_declared_is_an_error() -> None:
    with pytest.raises(KeyError, match="mlops_age_seconds"):
        exposition([DROPPED], [AGE.of(1, "shop")])
