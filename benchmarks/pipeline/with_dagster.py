"""Ours in `benchmarks.pipeline`: the product's own jobs `ingest` and `retrain`, up to `model_version`, in one process.

As `mlops demo` runs them: Dagster's instance on SQLite, the whole history as one run of daily partitions, Delta tables,
MLflow run and registered version, checks, pictures and metadata. Building and starting the bento is left out: the
script has no counterpart. `python -m benchmarks.pipeline.with_dagster FOLDER --scale 0.2 --days 75`
"""

import os
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import dagster as dg
import polars as pl

from benchmarks.features.stream import peak_rss_gib
from benchmarks.pipeline.workload import Answer, answer_in_process, covered, digest
from mlops_assets.automation.jobs import RETRAIN, retrain_config
from mlops_assets.automation.run_tags import day_range_tags
from mlops_assets.components.model_product import product_definitions
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.product import Product
from mlops_assets.core.registry.candidate import read_candidate
from mlops_assets.core.runtime.garbage import freeze_what_is_loaded
from mlops_assets.core.runtime.threads import let_waiting_threads_sleep
from mlops_assets.core.settings import Settings, load_settings
from mlops_assets.definitions import platform_resources
from mlops_assets.embedded.dagster_home import dagster_instance

PACKAGING = frozenset({"bento", "release"})
WITHOUT_COUNTERPART = frozenset({"model"})
"""Tables that only say where MLflow keeps things."""
ADDED_TO_VERDICTS = ("model_digest", "threshold")
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def run(product: Product, path: Path) -> Answer:
    """Run both jobs below `path`, which must be empty: nothing may be remembered from an earlier run."""
    let_waiting_threads_sleep()
    settings = load_settings({"MLOPS_HOME": str(path)}, working_directory=path)
    os.environ.pop("DAGSTER_HOME", None)
    instance = dagster_instance(settings)
    definitions = dg.Definitions.merge(
        product_definitions(product),
        dg.Definitions(resources=platform_resources(settings), executor=dg.in_process_executor),
    )
    freeze_what_is_loaded()
    first, end = covered(product)
    history = day_range_tags(first, end - timedelta(days=1))
    ingest = _execute(definitions, instance, f"{product.name}__ingest", tags=history)
    retrain = _execute(
        definitions,
        instance,
        f"{product.name}__retrain",
        run_config=retrain_config(product.spec, end),
        nouns=[noun for noun in RETRAIN if noun not in PACKAGING],
    )
    return _answer(product, settings, {**ingest, **retrain})


def _execute(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    job: str,
    *,
    tags: Mapping[str, str] | None = None,
    run_config: Mapping[str, object] | None = None,
    nouns: Sequence[str] | None = None,
) -> dict[str, float]:
    """Execute a job as `mlops demo` does and return the seconds of its steps, by asset."""
    print(job, flush=True)
    product = job.split("__", maxsplit=1)[0]
    result = definitions.resolve_job_def(job).execute_in_process(
        instance=instance,
        tags=dict(tags or {}),
        run_config={**(run_config or {}), **QUIET},
        asset_selection=[dg.AssetKey([product, noun]) for noun in nouns] if nouns else None,
    )
    done = result.filter_events(lambda event: event.is_step_success)
    return {str(event.step_key).split("__")[-1]: event.step_success_data.duration_ms / 1000 for event in done}


def _answer(product: Product, settings: Settings, step_seconds: Mapping[str, float]) -> Answer:
    tables = DeltaTables(settings.tables_uri)
    candidate = read_candidate(tables, product.name)
    verdicts = tables.read(product.name, "gate_verdicts").drop(ADDED_TO_VERDICTS)
    return Answer(
        rows={
            name: tables.scan(product.name, name).select(pl.len()).collect().item()
            for name in tables.names(product.name)
            if name not in WITHOUT_COUNTERPART
        },
        model_digest=candidate.digest,
        estimates_digest=digest(tables.read(product.name, "evaluation")),
        verdicts_digest=digest(verdicts),
        step_seconds=step_seconds,
        peak_rss_gib=peak_rss_gib(),
    )


if __name__ == "__main__":
    answer_in_process(__doc__, run)
