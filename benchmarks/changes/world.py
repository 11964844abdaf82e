"""All that a result may depend on: data, declaration, code and libraries; and a small product of them."""

import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

import polars as pl

from mlops_assets.assets import training
from mlops_assets.assets.support import asset_options
from mlops_assets.assets.support.code_versions import asset_code
from mlops_assets.catalogue import load_product
from mlops_assets.core.features.expressions import col
from mlops_assets.core.features.view import FeatureView, RowFeature, WindowFeature
from mlops_assets.core.identity.code_base import CodeBase, FactsCache, installed_code
from mlops_assets.core.product import Product, Reader, ReadFrame, SourceContext
from mlops_assets.core.product_spec import ProductSpec
from mlops_assets.core.training.fit import fit
from mlops_assets.products.fraud_detection.features import PUBLISHED

PRODUCT = "fraud_detection"
FIRST_DAY, END_DAY = date(2018, 4, 1), date(2018, 6, 1)
EDITED_MODULE = Path("core") / "training" / "fit.py"
GATE: Mapping[str, object] = {"metric": "average_precision", "minimum_rows": 50, "minimum_positives": 5}
GATES: Mapping[str, list[dict[str, object]]] = {
    "lax": [{**GATE, "name": "limit", "minimum": 0.001}],
    "strict": [{**GATE, "name": "limit", "minimum": 0.999}],
}
BASELINES = {
    "amount": {"rule": col("amount_usd")},
    "count": {"rule": col("customer_transaction_count_1d")},
}


@dataclass(frozen=True)
class World:
    """What a home is given; equal worlds must lead to equal decisions."""

    gates: Literal["lax", "strict"] = "lax"
    baselines: Literal["amount", "count"] = "amount"
    features: Literal["published", "redefined", "dropped", "added"] = "published"
    false_positive_cost: float = 5.0
    train_days: int = 14
    bootstrap_seed: int = 0
    training_seed: int = 0
    rounds: int = 20
    source_seed: int = 0
    rows: Literal["as it came", "changed", "removed", "added"] = "as it came"
    """Amounts of every fifth event are changed; rows are gone; rows that the source did not have come to it."""
    lightgbm: str = ""
    """Version that is recorded of the library; empty for the installed one."""
    code: Literal["as it is", "edited"] = "as it is"
    """Whether the module that fits is another one, which regularizes more."""
    as_of: date = date(2018, 5, 20)

    @property
    def product(self) -> Product:
        """Fraud detection on 61 days of some 85 transactions, declared as this world says."""
        product = load_product(PRODUCT)
        features = _features(self.features)
        view = FeatureView(product.view.name, product.view.id_column, product.view.event_timestamp, features)
        return replace(
            product,
            spec=self._spec(product.spec, view),
            view=view,
            baselines=BASELINES[self.baselines],
            readers={"simulator": _changed_reader(product.readers["simulator"], self.rows)},
        )

    def _spec(self, spec: ProductSpec, view: FeatureView) -> ProductSpec:
        content: dict[str, Any] = spec.model_dump(mode="json")
        options = {"customers": 50, "terminals": 300, "days": 61, "radius": 15.0, "seed": self.source_seed}
        compromised = {"compromised_terminals_per_day": 1, "compromised_customers_per_day": 1}
        content |= {
            "source": {"kind": "simulator", "options": options | compromised},
            "model_features": list(view.feature_names),
            "variants": [],
            "gates": GATES[self.gates],
        }
        content["time"] |= {"start_date": FIRST_DAY, "end_date": END_DAY}
        content["split"] |= {"train_days": self.train_days}
        content["training"] |= {
            "num_boost_round": self.rounds,
            "seed": self.training_seed,
            "parameters": {"learning_rate": 0.2, "min_data_in_leaf": 10},
        }
        content["tuning"] |= {"trials": 2, "timeout_seconds": 600}
        evaluation = content["evaluation"]
        evaluation |= {"bootstrap_samples": 100, "minimum_slice_rows": 50, "seed": self.bootstrap_seed}
        evaluation["cost"] |= {"false_positive": self.false_positive_cost}
        content["release"] |= {"approval": "automatic", "strategy": "blue_green"}
        return ProductSpec.model_validate(content)

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """Let this process have the world's code, and record its versions of libraries."""
        with ExitStack() as stack:
            if self.lightgbm:
                stack.enter_context(_recorded_version("lightgbm", self.lightgbm))
            if self.code == "edited":
                stack.enter_context(patch.object(asset_options, "asset_code", _edited_code))
                stack.enter_context(patch.object(training, "fit", _edited_fit))
            yield


def _features(how: str) -> tuple[RowFeature | WindowFeature, ...]:
    name = "customer_mean_amount_{window}"
    if how == "redefined":
        return tuple(
            replace(one, aggregation="max") if isinstance(one, WindowFeature) and one.name == name else one
            for one in PUBLISHED
        )
    if how == "dropped":
        return tuple(one for one in PUBLISHED if one.name != name)
    if how == "added":
        above = RowFeature(
            "above_usual_usd", col("amount_usd") - col("customer_mean_amount_7d"), "Above the usual."
        )
        return (*PUBLISHED, above)
    return PUBLISHED


def _changed_reader(reader: Reader, how: str) -> Reader:
    """Return a reader of the same source in which some rows are others."""
    late = 11
    """Every so many-th row is not in the source before rows are added to it."""

    def changed(rows: pl.DataFrame) -> pl.DataFrame:
        number = pl.col("transaction_id")
        if how != "added":
            rows = rows.filter(number % late != 0)
        if how == "removed":
            rows = rows.filter(number % 7 != 0)
        if how == "changed" and "amount_usd" in rows.columns:
            other = pl.when(number % 5 == 0).then(pl.col("amount_usd") * 3).otherwise("amount_usd")
            rows = rows.with_columns(amount_usd=other)
        return rows

    def of(read: ReadFrame) -> ReadFrame:
        def rows(context: SourceContext, *, start: datetime | None, end: datetime | None) -> pl.DataFrame:
            return changed(read(context, start=start, end=end))

        return rows

    return Reader(events=of(reader.events), labels=of(reader.labels))


@contextmanager
def _recorded_version(library: str, version: str) -> Iterator[None]:
    """As if the library had been upgraded, as far as Python's own record of what is installed says."""
    with tempfile.TemporaryDirectory() as folder:
        info = Path(folder) / f"{library}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {library}\nVersion: {version}\n")
        sys.path.insert(0, folder)
        try:
            yield
        finally:
            sys.path.remove(folder)


@cache
def _edited_base() -> CodeBase:
    """The packages with another text of one module."""

    def source_of(file: Path) -> bytes:
        edit = b"\nLESS_OVERFITTED = True\n" if file.parts[-3:] == EDITED_MODULE.parts else b""
        return file.read_bytes() + edit

    return CodeBase(installed_code().folders, source_of=source_of, facts_cache=FactsCache(None))


def _edited_code(product: Product, function: Any) -> Any:
    return asset_code(product, function, _edited_base())


def _edited_fit(training_rows: pl.DataFrame, **options: Any) -> Any:
    options["parameters"] = {**options["parameters"], "lambda_l2": 20.0}
    return fit(training_rows, **options)
