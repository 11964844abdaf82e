"""A home of its own for a small fraud product, and the runs that tell its story: real Dagster, Delta and MLflow."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from benchmarks.dagster_instance import instance_of
from mlops_assets.automation.jobs import retrain_config
from mlops_assets.automation.run_tags import day_range_tags
from mlops_assets.catalogue import load_product
from mlops_assets.components.model_product import product_definitions
from mlops_assets.core.product import Product
from mlops_assets.core.product_spec import ProductSpec
from mlops_assets.definitions import platform_resources
from mlops_assets.products.fraud_detection.features import PUBLISHED_FEATURES
from mlops_assets_tests.support.homes.home import Home

FRAUD = "fraud_detection"
FIRST_DAY, END_DAY = date(2018, 4, 1), date(2018, 6, 1)
LAST_DAY = END_DAY - timedelta(days=1)
FIRST_MONTH = (FIRST_DAY, date(2018, 5, 1))
"""First and last partition of a backfill of 31 days."""
AS_OF = date(2018, 5, 20)
DATA = ("raw_events", "events", "rejected_events", "labels")
INGEST = (*DATA, "features")
CANDIDATE = ("training_set", "hyperparameters", "model", "evaluation", "model_version")
RETRAIN = (*CANDIDATE, "bento", "release")
SCORE = ("predictions", "outcomes")
REPORTS = ("drift_report", "performance_report")
GATE = {"metric": "average_precision", "minimum_rows": 50, "minimum_positives": 5}
PASSING_GATE = {**GATE, "name": "better_than_constant", "against": "constant"}
FAILING_GATE = {**GATE, "name": "nearly_perfect", "minimum": 0.999}
Days = date | tuple[date, date]


def small_spec(**sections: Mapping[str, Any] | list[dict[str, Any]]) -> ProductSpec:
    """The declaration of fraud detection on 61 days of some 85 transactions; `sections` replace or extend parts."""
    content = load_product(FRAUD).spec.model_dump(mode="json")
    small: dict[str, Any] = {
        "time": {"start_date": FIRST_DAY, "end_date": END_DAY},
        "source": {
            "kind": "simulator",
            "options": {
                "customers": 50,
                "terminals": 300,
                "days": 61,
                "radius": 15.0,
                "compromised_terminals_per_day": 1,
                "compromised_customers_per_day": 1,
            },
        },
        "model_features": PUBLISHED_FEATURES,
        "split": {"train_days": 14},
        "training": {"num_boost_round": 40, "parameters": {"learning_rate": 0.2, "min_data_in_leaf": 10}},
        "tuning": {"trials": 2, "timeout_seconds": 600},
        "evaluation": {"bootstrap_samples": 100, "minimum_slice_rows": 50},
        "gates": [PASSING_GATE],
        "monitoring": {"minimum_rows": 50, "minimum_positives": 5},
    }
    for changes in (small, sections):
        for name, section in changes.items():
            old = content[name]
            content[name] = (
                {**old, **section} if isinstance(old, dict) and isinstance(section, Mapping) else section
            )
    return ProductSpec.model_validate(content)


def small_product(**sections: Any) -> Product:
    """Fraud detection with the small declaration; its view is the product's own, as a bento carries its sources."""
    return replace(load_product(FRAUD), spec=small_spec(**sections))


@dataclass(frozen=True)
class SmallHome(Home):
    """A home with a Dagster instance, and runs on it."""

    @contextmanager
    def instance(self) -> Iterator[dg.DagsterInstance]:
        """The home's own Dagster instance, as commands open it; it outlives the process."""
        with instance_of(self.settings) as instance:
            yield instance

    def key(self, noun: str) -> dg.AssetKey:
        return dg.AssetKey([self.product.name, noun])

    def materialize(
        self,
        *nouns: str,
        days: Days | None = None,
        as_of: date | None = None,
        config: Mapping[str, Any] | None = None,
        raises: bool = True,
    ) -> dg.ExecuteInProcessResult:
        """Materialize the assets in one run: of one partition, of a range of them, or unpartitioned."""
        tags = day_range_tags(*days) if isinstance(days, tuple) else {}
        config = config or (retrain_config(self.product.spec, as_of) if as_of else {})
        with self.instance() as instance:
            return dg.materialize(
                list(product_definitions(self.product).assets or ()),  # pyright: ignore[reportArgumentType]
                selection=[self.key(noun) for noun in nouns],
                instance=instance,
                resources=platform_resources(self.settings),
                partition_key=days.isoformat() if isinstance(days, date) else None,
                tags=tags,
                run_config={**config, "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
                raise_on_error=raises,
            )

    def with_product(self, change: Callable[[Product], Product]) -> "SmallHome":
        """The same home, seen by another version of the product."""
        return replace(self, product=change(self.product))

    def copy(self, root: Path, **sections: Any) -> "SmallHome":
        """A copy that a test may change, with other sections of the declaration.

        MLflow's artifacts and the stored path of the bento stay with the original, which is only read.
        """
        copied = super().copy(root)
        return replace(copied, product=small_product(**sections)) if sections else copied

    def table_versions(self) -> dict[str, int]:
        """The Delta version of every table, maintenance included."""
        name = self.product.name
        return {table: self.tables.delta(name, table).version() for table in self.tables.names(name)}

    def mlflow_runs(self) -> list[str]:
        """Ids of all MLflow runs, in order."""
        from mlops_assets.core.registry.mlflow_client import mlflow_client

        client = mlflow_client(self.settings.tracking_uri)
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        return sorted(run.info.run_id for run in client.search_runs(experiments))


def metadata_of(result: dg.ExecuteInProcessResult, key: dg.AssetKey) -> Mapping[str, dg.MetadataValue]:
    """Metadata of an asset's last materialization in a run."""
    (*_, event) = (e for e in result.get_asset_materialization_events() if e.asset_key == key)
    return event.step_materialization_data.materialization.metadata


def failures_of(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    """Per failed step, the platform's own words (Dagster wraps them)."""
    failed = {}
    for event in result.all_events:
        if event.is_step_failure and event.step_failure_data.error:
            error = event.step_failure_data.error
            cause = error.cause or error
            failed[str(event.step_key).split("__", 1)[1]] = f"{cause.cls_name}: {cause.message}"
    return failed


def checks_of(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    """Check name to whether it passed."""
    return {check.check_name: check.passed for check in result.get_asset_check_evaluations()}
