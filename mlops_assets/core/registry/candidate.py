"""The fitted candidate of a product: where its MLflow run and model are, as one row of the table `model`."""

from dataclasses import asdict, dataclass, fields
from datetime import datetime

import polars as pl

from mlops_assets.core.errors import RegistryError
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.registry.artifacts import load_model
from mlops_assets.core.registry.registry import ModelRegistry
from mlops_assets.core.registry.tag_names import THRESHOLD_TAG
from mlops_assets.core.registry.version import ModelVersion
from mlops_assets.core.times import UTC_TIME

_SCHEMA = {
    "run_id": pl.String,
    "model_uri": pl.String,
    "digest": pl.String,
    "training_set_version": pl.Int64,
    "as_of": UTC_TIME,
}


@dataclass(frozen=True)
class Candidate:
    """A model that was fitted and logged, and the training set that it was made from."""

    run_id: str
    model_uri: str
    digest: str
    training_set_version: int
    as_of: datetime | None
    """The training set uses only what was known by this time; None for a cohort."""

    def to_frame(self) -> pl.DataFrame:
        """One row, for the table."""
        return pl.DataFrame([asdict(self)], schema=_SCHEMA)

    def load(self, tracking_uri: str) -> TrainedModel:
        """Fetch the model from MLflow and verify it."""
        return load_model(tracking_uri, self.model_uri, digest=self.digest)


def model_noun(variant: str | None = None) -> str:
    """Noun of the asset and table of the product's own model, or of a variant's."""
    return f"model_{variant}" if variant else "model"


def read_candidate(tables: DeltaTables, product: str, *, variant: str | None = None) -> Candidate:
    """Read the newest candidate.

    Raises: TableNotFoundError when no model was fitted yet.
    """
    row = tables.read(product, model_noun(variant)).row(0, named=True)
    return Candidate(**{field.name: row[field.name] for field in fields(Candidate)})


def candidates_version(registry: ModelRegistry, tables: DeltaTables, product: str) -> ModelVersion:
    """Return the version of the fitted candidate under the decision threshold that the evaluation chose.

    The newest one, unless an earlier fit or an earlier cost was found again since.

    Raises: RegistryError when it is no registered version.
    """
    candidate = read_candidate(tables, product)
    threshold = float(tables.read(product, "gate_verdicts")["threshold"][0])
    wanted = (candidate.run_id, candidate.digest, repr(threshold))  # the run tells all other facts
    for version in reversed(registry.versions(product)):
        if (version.run_id, version.digest, version.tags.get(THRESHOLD_TAG)) == wanted:
            return version
    raise RegistryError(
        f"{product}: the candidate {candidate.digest[:12]} with threshold {threshold:g} is no registered version: "
        f"materialize {product}/model_version first"
    )
