"""A metric and its values."""

import pytest

from mlops_assets.core.errors import MonitoringError
from mlops_assets.core.exporter.metric import Metric

QUEUE = Metric(name="mlops_queue", meaning="What waits.", labels=("product", "kind"))


def test_a_value_has_the_labels_of_its_metric() -> None:
    assert QUEUE.of(3, "shop", "new").value == 3.0
    assert QUEUE.of(True, "shop", "new").value == 1.0
    with pytest.raises(MonitoringError, match="mlops_queue has the labels"):
        QUEUE.of(3, "shop")
