"""A home that is brought to a world by the product's own assets, and what it decides there."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from unittest.mock import patch

import dagster as dg
import polars as pl

from benchmarks.changes.world import END_DAY, FIRST_DAY, PRODUCT, World
from benchmarks.dagster_instance import instance_of
from mlops_assets.assets import evaluation, training
from mlops_assets.automation.jobs import retrain_config
from mlops_assets.automation.run_tags import day_range_tags
from mlops_assets.components.model_product import product_definitions
from mlops_assets.core.errors import PlatformError
from mlops_assets.core.evaluation.product_contenders import CANDIDATE
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.registry.candidate import read_candidate
from mlops_assets.core.registry.registry import ModelRegistry
from mlops_assets.core.registry.tag_names import BENTO_TAG
from mlops_assets.core.settings import Settings, load_settings
from mlops_assets.definitions import platform_resources

INGEST = ("raw_events", "events", "rejected_events", "labels", "features")
CANDIDATE_NOUNS = ("training_set", "hyperparameters", "model", "evaluation", "model_version")
KEPT = ("hyperparameters", "model", "evaluation")
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
EXPENSIVE: tuple[tuple[Any, str], ...] = ((training, "tune"), (training, "fit"), (evaluation, "_evaluate"))
"""What is called when a result is made, and is not when the last one is kept."""


@dataclass(frozen=True)
class Decisions:
    """What was decided about the candidate, without what only a home with a history can have."""

    verdicts: tuple[tuple[str, str], ...] = ()
    """Gate and verdict."""
    estimates: tuple[tuple[str, float | None], ...] = ()
    """The candidate's own metrics, and those of the product's baselines, on the test rows."""
    model_digest: str = ""
    threshold: float = 0.0
    is_released: bool = False
    """Whether nothing stands between the candidate and its release."""
    error: str = ""
    """Why the assets could not be made; empty when they were."""

    def differences(self, other: "Decisions") -> list[str]:
        """Return the names of what is not equal."""
        return [one.name for one in fields(self) if getattr(self, one.name) != getattr(other, one.name)]


@dataclass(frozen=True)
class ChangesHome:
    """Tables, registry and Dagster instance below one folder."""

    root: Path
    registry_uri: str = ""
    """Of a registry that other homes use, too; empty for one of its own."""

    @cached_property
    def settings(self) -> Settings:
        """The home's configuration."""
        self.root.mkdir(parents=True, exist_ok=True)
        environment = {"MLOPS_HOME": str(self.root), "MLFLOW_TRACKING_URI": self.registry_uri}
        return load_settings(environment, working_directory=self.root)

    @property
    def tables(self) -> DeltaTables:
        """The lakehouse."""
        return DeltaTables(self.settings.tables_uri)

    def bring_to(self, world: World, *, releases: bool = True) -> Decisions:
        """Materialize everything from the source to the release, or to the version, and return what was decided.

        The bento, whose build and smoke test decide nothing about the model, is stood in for by its tag.
        """
        product = world.product
        last = END_DAY - timedelta(days=1)
        try:
            with world.in_force(), patch.object(evaluation, "evaluation_pictures", _no_pictures):
                self._materialize(world, INGEST, tags=day_range_tags(FIRST_DAY, last))
                config = dict(retrain_config(product.spec, world.as_of))
                self._materialize(world, CANDIDATE_NOUNS, config=config)
                self._say_that_the_bento_answered()
                released = self._materialize(world, ("release",)) if releases else None
        except PlatformError as error:
            return Decisions(error=f"{type(error).__name__}: {error}")
        return self._decisions(released)

    def delete(self, nouns: tuple[str, ...]) -> None:
        """Delete tables, as a person may."""
        for noun in nouns:
            shutil.rmtree(self.root / "tables" / PRODUCT / noun, ignore_errors=True)

    def copy(self, root: Path) -> "ChangesHome":
        """Return a copy; what MLflow stored of runs so far is only read, and stays with the original."""
        shutil.copytree(self.root, root)
        return ChangesHome(root, self.registry_uri)

    def _materialize(
        self,
        world: World,
        nouns: tuple[str, ...],
        *,
        tags: dict[str, str] | None = None,
        config: dict[str, Any] | None = None,
    ) -> dg.ExecuteInProcessResult:
        with instance_of(self.settings) as instance:
            return dg.materialize(
                list(product_definitions(world.product).assets or ()),  # pyright: ignore[reportArgumentType]
                selection=[dg.AssetKey([PRODUCT, noun]) for noun in nouns],
                instance=instance,
                resources=platform_resources(self.settings),
                tags=tags or {},
                run_config={**(config or {}), **QUIET},
            )

    def _say_that_the_bento_answered(self) -> None:
        candidate = read_candidate(self.tables, PRODUCT)
        registry = ModelRegistry(self.settings.tracking_uri)
        for version in registry.versions(PRODUCT):
            if (version.run_id, version.digest) == (candidate.run_id, candidate.digest):
                registry.set_version_tags(PRODUCT, version.version, {BENTO_TAG: "stands_in:1"})

    def _decisions(self, released: dg.ExecuteInProcessResult | None) -> Decisions:
        verdicts = self.tables.read(PRODUCT, "gate_verdicts").sort("name")
        own = (pl.col("kind") == "metric") & pl.col("contender").is_in([CANDIDATE, "rule"])
        metrics = self.tables.read(PRODUCT, "evaluation").filter(own).sort("contender", "metric")
        estimates = metrics.select(pl.format("{} {}", "contender", "metric"), "value").rows()
        return Decisions(
            verdicts=tuple(verdicts.select("name", "verdict").rows()),
            estimates=tuple(estimates),
            model_digest=str(verdicts["model_digest"][0]),
            threshold=float(verdicts["threshold"][0]),
            is_released=released is not None
            and all(check.passed for check in released.get_asset_check_evaluations()),
        )


@contextmanager
def counted_work() -> Iterator[Counter[str]]:
    """Count the calls that make an expensive result."""
    counts: Counter[str] = Counter()

    def counting(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            counts[name] += 1
            return call(*arguments, **options)

        return counted

    with ExitStack() as stack:
        for module, name in EXPENSIVE:
            stack.enter_context(patch.object(module, name, counting(name, getattr(module, name))))
        yield counts


def _no_pictures(*_arguments: object) -> dict[str, bytes]:
    """Draw nothing: eight pictures take longer than all that is decided."""
    return {}
