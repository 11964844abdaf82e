"""The work of `benchmarks.pipeline`: fraud detection at a chosen size, the same for both contenders.

Each contender is a module run in a process of its own, with a fresh folder; it prints the stage that it begins, one a
line, and as its last line its answer as JSON.
"""

import argparse
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from mlops_assets.catalogue import load_product
from mlops_assets.core.product import Product

PRODUCT = "fraud_detection"
UNLIMITED_SECONDS = 1e6
"""A search that the clock cuts would do less work on the slower side, and answer differently."""


@dataclass(frozen=True)
class Answer:
    """What a contender made; both must make the same."""

    rows: Mapping[str, int]
    """Rows per table."""
    model_digest: str
    estimates_digest: str
    """Of every metric with its interval, of every contender and slice."""
    verdicts_digest: str
    step_seconds: Mapping[str, float] = field(default_factory=dict, compare=False)
    peak_rss_gib: float = field(default=0.0, compare=False)


def scaled_product(scale: float, days: int) -> Product:
    """Fraud detection with `scale` times the customers and terminals, and its first `days` days."""
    product = load_product(PRODUCT)
    spec, time = product.spec, product.spec.time
    if time is None:
        raise SystemExit(f"{PRODUCT} has lost its time axis, which this benchmark is about")
    options = dict(spec.source.options)
    sizes = {name: round(float(options[name]) * scale) for name in ("customers", "terminals")}
    source = spec.source.model_copy(update={"options": {**options, **sizes, "days": days}})
    changes = {
        "source": source,
        "time": time.model_copy(update={"end_date": time.start_date + timedelta(days=days)}),
        "tuning": spec.tuning.model_copy(update={"timeout_seconds": UNLIMITED_SECONDS}),
    }
    return replace(product, spec=spec.model_copy(update=changes))


def covered(product: Product) -> tuple[date, date]:
    """First day of the data and first day after it; the training set is as of the latter's first instant."""
    time = product.spec.time
    if time is None or time.end_date is None:
        raise SystemExit(f"{product.name} has no end of its data, so there is no whole history to run")
    return time.start_date, time.end_date


def digest(frame: pl.DataFrame) -> str:
    """SHA-256 of the rows in their order; floats by their shortest exact text."""
    return hashlib.sha256(frame.write_ndjson().encode()).hexdigest()


def answer_in_process(description: str | None, run: Callable[[Product, Path], Answer]) -> None:
    """Parse the command line that `benchmarks.pipeline` gives to a contender, run it and print its answer."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scale", type=float, required=True)
    parser.add_argument("--days", type=int, required=True)
    options = parser.parse_args()
    answer = run(scaled_product(options.scale, options.days), options.folder)
    print(json.dumps(asdict(answer)), flush=True)
