"""The rows that a version learned from, an artifact of the MLflow run that made it; and those that it held out."""

import tempfile
from pathlib import Path

import polars as pl

from mlops_assets.core.errors import RegistryError, TableError
from mlops_assets.core.identity.content import frame_digest
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.registry.mlflow_client import mlflow_client, mlflow_globals
from mlops_assets.core.registry.tag_names import LEARNED_ROWS_TAG, TRAINING_SET_TAG
from mlops_assets.core.registry.version import ModelVersion

LEARNED_ROWS_FILE = "learned_rows.parquet"
"""Artifact of the run; the run's LEARNED_ROWS_TAG holds the digest of its content."""
LEARNED = ("train", "validation")
"""Splits whose outcomes a version has seen: trees, stopping, calibrator and threshold are fitted on them."""
SEARCHED_VERSIONS = 50
"""Of the table, newest first, where the named one holds other rows."""


def learned_rows(training_set: pl.DataFrame, *, id_column: str) -> pl.DataFrame:
    """Return id and `split` of the train and validation rows, in the order of the training set."""
    return training_set.filter(pl.col("split").is_in(LEARNED)).select(id_column, "split")


def rows_learned_by(
    tracking_uri: str, version: ModelVersion, model: TrainedModel, *, tables: DeltaTables, id_column: str
) -> pl.Series:
    """Return the ids of all rows whose outcomes the version has seen.

    A version of before they were stored has those of the training set that its tag names, as long as that has as many
    rows and positives in each split as the model says.

    tracking_uri: where its run is. version, model: whose rows. tables: of the product. id_column: the event's id.

    Raises: RegistryError when nothing tells, or what was stored was changed or cannot be fetched.
    """
    digest = mlflow_client(tracking_uri).get_run(version.run_id).data.tags.get(LEARNED_ROWS_TAG)
    if digest is not None:
        return _stored_rows(tracking_uri, version, digest)[id_column]
    rows = _rows_of_before(version, model, tables)
    if rows is None:
        raise RegistryError(
            f"which rows {version.product} version {version.version} learned from was not stored with it, and its "
            "training set is there no more: release a newly trained version"
        )
    return learned_rows(rows, id_column=id_column)[id_column]


def _rows_of_before(version: ModelVersion, model: TrainedModel, tables: DeltaTables) -> pl.DataFrame | None:
    number = version.tags.get(TRAINING_SET_TAG)
    try:
        rows = tables.read(version.product, "training_set", version=int(number)) if number else None
    except TableError:
        return None
    if rows is None or model.label not in rows.columns:
        return None
    for split in LEARNED:
        count, part = model.splits.get(split), rows.filter(split=split)
        if count is None or (count.rows, count.positives) != (part.height, int(part[model.label].sum())):
            return None
    return rows


def _stored_rows(tracking_uri: str, version: ModelVersion, digest: str) -> pl.DataFrame:
    from mlflow.exceptions import MlflowException

    subject = f"the rows that {version.product} version {version.version} learned from"
    with tempfile.TemporaryDirectory() as folder, mlflow_globals(tracking_uri):
        from mlflow.artifacts import download_artifacts

        try:
            file = download_artifacts(run_id=version.run_id, artifact_path=LEARNED_ROWS_FILE, dst_path=folder)
            rows = pl.read_parquet(Path(file))
        except (MlflowException, OSError, pl.exceptions.PolarsError) as error:
            raise RegistryError(f"{subject} cannot be read from its run: {error}") from error
    if frame_digest(rows) != digest:
        raise RegistryError(f"{subject} are not those that were stored: {LEARNED_ROWS_FILE} was changed")
    return rows


def held_out_digest(training_set: pl.DataFrame, *, id_column: str) -> str:
    """Return the digest of the validation and test rows, whatever their order."""
    return frame_digest(_held_out(training_set.lazy()).sort(id_column))


def held_out_rows(
    tables: DeltaTables, product: str, *, version: int, digest: str | None, id_column: str
) -> pl.DataFrame:
    """Return the validation and test rows of a training set, as they were when a model was made from it.

    A table that was deleted and made anew has other rows under the same number, and perhaps the same under another:
    they are found by their digest. Without one, as of a model of before it was stored, the number counts.

    tables, product: whose table `training_set`. version: its version by number. digest: see `held_out_digest`.
    id_column: the event's id.

    Raises: RegistryError when no version of the table holds these rows any more.
    """
    rows = _read_held_out(tables, product, version)
    if rows is not None and digest in (None, frame_digest(rows.sort(id_column))):
        return rows
    for other in _data_versions(tables, product):
        rows = _read_held_out(tables, product, other)
        if rows is not None and frame_digest(rows.sort(id_column)) == digest:
            return rows
    raise RegistryError(
        f"{product}/training_set holds the rows of the released version no more, neither as version {version} nor as "
        "another: the table was made anew; release a newly trained version"
    )


def _held_out(training_set: pl.LazyFrame) -> pl.DataFrame:
    return training_set.filter(pl.col("split") != "train").collect()


def _read_held_out(tables: DeltaTables, product: str, version: int) -> pl.DataFrame | None:
    try:
        return _held_out(tables.scan(product, "training_set", version=version))
    except (TableError, OSError, pl.exceptions.PolarsError):  # vacuumed, or never there
        return None


def _data_versions(tables: DeltaTables, product: str) -> list[int]:
    if not tables.exists(product, "training_set"):
        return []
    written = [entry for entry in tables.history(product, "training_set") if entry["run_id"] is not None]
    return [int(str(entry["version"])) for entry in written[:SEARCHED_VERSIONS]]
