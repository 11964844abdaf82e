"""Samples of the exporter as tests compare them."""

from collections.abc import Iterable

from mlops_assets.core.exporter.metric import Sample


def numbers(samples: Iterable[Sample]) -> dict[tuple[str, ...], float]:
    """Return name and labels to value; no series is there twice."""
    found = [((one.metric.name, *one.labels), one.value) for one in samples]
    assert len(dict(found)) == len(found)
    return dict(found)
