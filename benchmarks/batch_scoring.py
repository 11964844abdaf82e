"""Batch scoring through the `predictions` asset beside bare `Booster.predict` on the same rows.

`python -m benchmarks.batch_scoring [--scale 1.0] [--days 183] [--repeats 3]`. The product's own jobs ingest the
simulated transactions and make a released version, which is not timed. Then, alternating: ours is one Dagster run of
`predictions` over all days, which reads the features from Delta, scores, calibrates, decides, replaces the days of the
table (empty before each run) and draws its picture; the peer is LightGBM's `Booster.predict` on a float64 matrix of
the same feature vectors that lies in memory already. Both must give the same scores: the peer's are calibrated
afterwards, untimed. Last line: one JSON object with `ratio_vs_bare`, the median of paired ratios of rows per second
(`spread` has their minimum and maximum), and both rates.
"""

import argparse
import gc
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from statistics import median

import dagster as dg
import numpy as np
import polars as pl

from benchmarks.pipeline.with_dagster import run as run_jobs
from benchmarks.pipeline.workload import covered, scaled_product
from benchmarks.result import print_json, print_table, ratio_with_spread
from mlops_assets.automation.run_tags import day_range_tags
from mlops_assets.components.model_product import product_definitions
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.model.trained_model import TrainedModel, feature_matrix
from mlops_assets.core.product import Product
from mlops_assets.core.registry.registry import ModelRegistry
from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.core.release.plan import Order, release
from mlops_assets.core.release.record import plan_entry
from mlops_assets.core.runtime.threads import let_waiting_threads_sleep
from mlops_assets.core.settings import Settings, load_settings
from mlops_assets.definitions import platform_resources
from mlops_assets.embedded.dagster_home import dagster_instance

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class Home:
    """A home in which one version is released and all features are stored."""

    product: Product
    settings: Settings

    @property
    def tables(self) -> DeltaTables:
        """The home's tables."""
        return DeltaTables(self.settings.tables_uri)

    def model(self) -> TrainedModel:
        """The released version."""
        return ModelRegistry(self.settings.tracking_uri).load(self.product.name, 1)

    def clear_predictions(self) -> None:
        """Delete the table, so that every run writes all its rows."""
        shutil.rmtree(self.tables.uri(self.product.name, "predictions"), ignore_errors=True)

    @cached_property
    def instance(self) -> dg.DagsterInstance:
        """The home's Dagster instance, on SQLite."""
        return dagster_instance(self.settings)

    @cached_property
    def job(self) -> dg.JobDefinition:
        """The job that scores, monitors and reports, as the web UI and the daemon have it loaded."""
        definitions = dg.Definitions.merge(
            product_definitions(self.product),
            dg.Definitions(resources=platform_resources(self.settings), executor=dg.in_process_executor),
        )
        return definitions.resolve_job_def(f"{self.product.name}__monitor")

    def score_all_days(self) -> None:
        """Materialize `predictions` for every day in one run."""
        first, end = covered(self.product)
        result = self.job.execute_in_process(
            instance=self.instance,
            tags=day_range_tags(first, end - timedelta(days=1)),
            run_config=QUIET,
            asset_selection=[dg.AssetKey([self.product.name, "predictions"])],
        )
        if not result.success:
            raise SystemExit("the run of predictions failed")


def released_home(product: Product, folder: Path) -> Home:
    """Ingest, train and register by the product's own jobs, and let the version answer."""
    run_jobs(product, folder)
    settings = load_settings({"MLOPS_HOME": str(folder)}, working_directory=folder)
    control = ReleaseControl.of(settings)
    order = Order(datetime.now(UTC), "benchmark", "to be measured; its bento is not built")
    plan = plan_entry(release(None, order, version=1), [control.version(product.name, 1)])
    control.change(product.name, lambda _: (plan,))
    return Home(product, settings)


def seconds_of(run: Callable[[], object]) -> tuple[float, object]:
    """Run once and return the seconds and the result."""
    gc.collect()
    began = time.perf_counter()
    result = run()
    return time.perf_counter() - began, result


def measure(home: Home, repeats: int) -> tuple[int, dict[str, list[float]]]:
    """Rows, and the seconds of both contenders, one per repeat; the scores are compared each time."""
    import lightgbm

    model = home.model()
    features = home.tables.read(home.product.name, "features")
    ids, matrix = features[home.product.spec.id_column], feature_matrix(features, model.feature_names)
    del features
    booster = lightgbm.Booster(model_str=model.booster_text)
    seconds: dict[str, list[float]] = {"bare": [], "asset": []}
    _ = home.job  # loaded once, as in a daemon
    for repeat in range(repeats):
        home.clear_predictions()
        contenders = {"bare": lambda: booster.predict(matrix), "asset": home.score_all_days}
        for name in list(contenders)[:: -1 if repeat % 2 else 1]:
            taken, answer = seconds_of(contenders[name])
            seconds[name].append(taken)
            if name == "bare":
                expected = pl.DataFrame({"id": ids, "score": model.calibrator.apply(np.asarray(answer))})
        check_equal(home, expected)
    return matrix.shape[0], seconds


def check_equal(home: Home, expected: pl.DataFrame) -> None:
    """Exit unless the table holds the expected score of every row, to the last bit."""
    id_column = home.product.spec.id_column
    stored = home.tables.read(home.product.name, "predictions", columns=[id_column, "score"])
    if not stored.rename({id_column: "id"}).sort("id").equals(expected.sort("id")):
        raise SystemExit("the asset's scores are not those of the booster")


def main() -> None:
    """Prepare the home, measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--scale", type=float, default=1.0, help="customers and terminals, times the product's"
    )
    parser.add_argument("--days", type=int, default=183, help="days of history; the splits need 65")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    let_waiting_threads_sleep()
    with tempfile.TemporaryDirectory(prefix="batch-scoring-") as folder:
        home = released_home(scaled_product(options.scale, options.days), Path(folder) / "home")
        rows, seconds = measure(home, options.repeats)
        trees = home.model().best_iteration
    print_table(
        f"{rows:,} rows by {trees} trees",
        ["contender", "seconds, median", "minimum", "maximum", "rows per second"],
        [[name, median(s), min(s), max(s), rows / median(s)] for name, s in seconds.items()],
    )
    ratio, spread = ratio_with_spread(seconds["bare"], seconds["asset"])
    print_json(
        {
            "rows": rows,
            "trees": trees,
            "ratio_vs_bare": ratio,
            "rows_per_second": rows / median(seconds["asset"]),
            "rows_per_second_bare": rows / median(seconds["bare"]),
            "spread": {"ratio_vs_bare": spread},
        }
    )


if __name__ == "__main__":
    main()
