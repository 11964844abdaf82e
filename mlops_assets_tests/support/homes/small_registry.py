"""A small registry on MLflow's SQLite: three versions that may be released and one of another feature view."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mlops_assets.catalogue import load_product
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.registry.tag_names import BENTO_TAG, LIBRARIES_TAG, THRESHOLD_TAG, VIEW_TAG
from mlops_assets.core.release.plan import Order, ReleasePlan
from mlops_assets_tests.support.homes.home import Home
from mlops_assets_tests.support.small_model import small_model

PRODUCT = "fraud_detection"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
VIEW = "ab" * 32
LIBRARIES = '{"lightgbm":"4.6.0","polars":"1.44.2"}'
OTHER_VIEW_VERSION = 4
ORDER = Order(NOON, "ann", "because")


@dataclass(frozen=True)
class SmallRegistry(Home):
    """A home with a registry and a release record."""

    models: tuple[TrainedModel, ...] = ()
    """Of version 1, 2, …"""

    def release(self, version: int, order: Order | None = None) -> ReleasePlan:
        return super().release(version, order or ORDER)


def make_small_registry(root: Path, *, server: str | None = None, versions: int = 4) -> SmallRegistry:
    """Versions 1 to 3 passed their gate and have a bento; version 4 was trained with another view."""
    root.mkdir(parents=True, exist_ok=True)
    models = tuple(small_model(seed=seed, rounds=6) for seed in range(versions))
    small = SmallRegistry(root, load_product(PRODUCT), server, models)
    for number, model in enumerate(models, start=1):
        tags = {
            THRESHOLD_TAG: repr(number / 10),
            VIEW_TAG: VIEW if number != OTHER_VIEW_VERSION else "cd" * 32,
            LIBRARIES_TAG: LIBRARIES,
            BENTO_TAG: f"{PRODUCT}:v{number}-{number:012d}",
        }
        assert small.register(model, tags=tags) == number
    return small
