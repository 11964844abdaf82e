"""The peer of `benchmarks.pipeline`: fraud detection from raw rows to a judged model as a plain script.

It calls the same functions of `mlops_assets.core` as the assets do, on frames in memory, and leaves each table as one
Parquet file and the model as files: no Dagster, no MLflow, no Delta, no pictures, no reading back.
`python -m benchmarks.pipeline.script FOLDER --scale 0.2 --days 75`
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from datetime import time as time_of_day
from pathlib import Path

import polars as pl

from benchmarks.features.stream import peak_rss_gib
from benchmarks.pipeline.workload import Answer, answer_in_process, covered, digest
from mlops_assets.core.contracts.contract import apply_contract, conform, event_columns
from mlops_assets.core.evaluation.decision_threshold import choose_threshold
from mlops_assets.core.evaluation.evaluate import evaluate
from mlops_assets.core.evaluation.gates import judge, verdict_table
from mlops_assets.core.evaluation.product_contenders import contender_columns, product_contenders
from mlops_assets.core.evaluation.result import EvaluationResult
from mlops_assets.core.features.offline.executor import compute_features
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.product import Product
from mlops_assets.core.runtime.threads import let_waiting_threads_sleep
from mlops_assets.core.training.fit import fit
from mlops_assets.core.training.training_set import build_training_set, covered_days
from mlops_assets.core.training.tuning import tune


@dataclass
class Folder:
    """Where the script leaves its tables, and how long each of its stages took."""

    path: Path
    rows: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def write(self, name: str, frame: pl.DataFrame) -> None:
        """Store one table as one Parquet file."""
        frame.write_parquet(self.path / f"{name}.parquet")
        self.rows[name] = frame.height

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Announce a stage and time it."""
        print(name, flush=True)
        began = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - began


def run(product: Product, path: Path) -> Answer:
    """Run the whole path; every table, the model and the verdicts lie in `path` afterwards."""
    let_waiting_threads_sleep()
    path.mkdir(parents=True, exist_ok=True)
    folder = Folder(path)
    events, labels = _ingest(product, folder)
    with folder.stage("features"):
        features = compute_features(
            product.view, events.select(product.view.input_columns), labels.select(product.view.label_columns)
        )
        folder.write("features", features)
    with folder.stage("training_set"):
        training_set = _training_set(product, features, labels)
        folder.write("training_set", training_set)
    model = _train(product, training_set, folder)
    with folder.stage("evaluation"):
        result = _evaluate(product, training_set, events, model)
        verdicts = verdict_table(judge(product.spec.gates, result))
        folder.write("evaluation", result.estimates)
        folder.write("gate_verdicts", verdicts)
    return Answer(
        rows=folder.rows,
        model_digest=model.digest,
        estimates_digest=digest(result.estimates),
        verdicts_digest=digest(verdicts),
        step_seconds=folder.seconds,
        peak_rss_gib=peak_rss_gib(),
    )


def _ingest(product: Product, folder: Folder) -> tuple[pl.DataFrame, pl.DataFrame]:
    start, end = (datetime.combine(day, time_of_day(), UTC) for day in covered(product))
    schema, subject = product.event_schema, product.name
    with folder.stage("raw_events"):
        raw = conform(product.read_events(cache=folder.path, start=start, end=end), schema, subject=subject)
        folder.write("raw_events", raw)
    with folder.stage("events"):
        judged = apply_contract(raw, schema, id_column=product.spec.id_column, subject=subject)
        events = judged.accepted.select(event_columns(schema))
        folder.write("events", events)
        folder.write("rejected_events", judged.rejected)
    with folder.stage("labels"):
        labels = product.read_labels(cache=folder.path, start=start, end=end)
        folder.write("labels", labels)
    return events, labels


def _training_set(product: Product, features: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    as_of = datetime.combine(covered(product)[1], time_of_day(), UTC)
    first, end = (datetime.combine(day, time_of_day(), UTC) for day in covered_days(product, as_of=as_of))
    inside = features.filter(pl.col("event_timestamp").is_between(first, end, closed="left"))
    return build_training_set(product, features=inside, labels=labels, as_of=as_of)


def _train(product: Product, training_set: pl.DataFrame, folder: Folder) -> TrainedModel:
    spec, names, label = product.spec, product.model_features, product.spec.label.column
    with folder.stage("hyperparameters"):
        tuned = tune(
            training_set,
            feature_names=names,
            label=label,
            training=spec.training,
            tuning=spec.tuning,
            on_trial=None,
            clock=time.monotonic,
        )
        folder.write("hyperparameters", tuned.trials)
    with folder.stage("model"):
        model = fit(
            training_set,
            feature_names=names,
            label=label,
            training=spec.training,
            parameters=tuned.parameters,
        )
        model.save(folder.path / "model")
    return model


def _evaluate(
    product: Product, training_set: pl.DataFrame, events: pl.DataFrame, model: TrainedModel
) -> EvaluationResult:
    spec, label = product.spec, product.spec.label.column
    validation, test = (training_set.filter(pl.col("split") == name) for name in ("validation", "test"))
    columns = [spec.id_column, *(c for c in contender_columns(product) if c not in test.columns)]
    test_rows = test.join(events.select(columns), on=spec.id_column, how="left", maintain_order="left")
    cost = spec.evaluation.cost
    threshold = choose_threshold(validation[label].to_numpy(), model.predict(validation), cost=cost)
    contenders = product_contenders(
        product, training_set=training_set, test_rows=test_rows, candidate=model, variants={}, champion=None
    )
    return evaluate(
        test_rows,
        label=label,
        contenders=contenders,
        evaluation=spec.evaluation,
        threshold=threshold,
        gates=spec.gates,
    )


if __name__ == "__main__":
    answer_in_process(__doc__, run)
