"""A fitted model: what it predicts, why, and how it lies on disk.

Stored as LightGBM's own text format plus JSON, so that loading runs no code of the file.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl

from mlops_assets.core.errors import FeatureError, PackagingError
from mlops_assets.core.files import read_limited, require_size
from mlops_assets.core.formats import other_format
from mlops_assets.core.model.calibration import Calibrator, calibrator_from_json
from mlops_assets.core.runtime.threads import let_waiting_threads_sleep

if TYPE_CHECKING:
    import lightgbm

BOOSTER_FILE = "model.lgb"
DOCUMENT_FILE = "model.json"
FORMAT_VERSION = 1
LARGEST_TEXT_BYTES = 2 * 1024**3
"""Of a booster's text; one of 10,000 trees with 255 leaves each has some 150 MB."""
PIECE_CHARACTERS = 1024 * 1024
"""Of a booster's text that are encoded at once for its digest."""
ROWS_WORTH_THREADS = 1000
"""Smaller batches are predicted on the calling thread: starting others takes longer."""
SLICE_ROWS = 20_000
"""Rows of a longer frame that a thread copies for LightGBM and predicts at once. A column-major copy is four times
cheaper than a row-major one and dearer to predict from; so few rows of it stay near the processor, which costs half as
much in all. Threads that take slices as they go wait for none of the others, as LightGBM's own do after each call.
"""


@dataclass(frozen=True)
class SplitCount:
    """How many rows of a split the model was made with, and how many of them had the outcome 1."""

    rows: int
    positives: int


@dataclass(frozen=True)
class TrainedModel:
    """A booster with its calibrator; equal when every stored field is equal.

    Safe to share between threads: the booster is only read. LightGBM's known race between concurrent calls
    (its issue 6142) writes the iteration range of the call, which is the same for all calls here.
    """

    booster_text: str
    """LightGBM text format, trees up to `best_iteration` only."""
    feature_names: tuple[str, ...]
    label: str
    calibrator: Calibrator
    best_iteration: int
    parameters: Mapping[str, Any]
    """All LightGBM parameters that were given, defaults of LightGBM left out."""
    seed: int
    splits: Mapping[str, SplitCount]
    """Rows of train (fitted on) and validation (stopped the boosting and fitted the calibrator)."""
    validation_metric: str
    validation_curve: tuple[float, ...]
    """Validation metric after each boosting round, past `best_iteration` too."""

    def predict(self, frame: pl.DataFrame) -> npt.NDArray[np.float64]:
        """Return the calibrated probability of outcome 1, shape (rows,); a null feature is a missing value.

        Raises: FeatureError for a missing or non-numeric feature column, NaN or infinity.
        """
        return self.calibrator.apply(self.predict_raw(frame))

    def predict_raw(self, frame: pl.DataFrame) -> npt.NDArray[np.float64]:
        """Return the booster's probability before calibration, shape (rows,)."""
        columns = _feature_columns(frame, self.feature_names)
        if columns.height <= SLICE_ROWS:
            return self._raw(columns.to_numpy(order="fortran"))
        booster = self.booster  # made once, before threads ask for it

        def predict(rows: pl.DataFrame) -> npt.NDArray[np.float64]:
            return np.asarray(booster.predict(rows.to_numpy(order="fortran"), num_threads=1))

        with ThreadPoolExecutor(pl.thread_pool_size()) as pool:
            return np.concatenate(list(pool.map(predict, columns.iter_slices(SLICE_ROWS))))

    def predict_matrix(self, matrix: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return calibrated probabilities of a (rows, features) matrix; columns as in `feature_names`."""
        return self.calibrator.apply(self._raw(matrix))

    def with_calibrator(self, calibrator: Calibrator) -> "TrainedModel":
        """Return the same booster under another calibrator."""
        return replace(self, calibrator=calibrator)

    def contributions(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return each row's SHAP values by feature, and `bias`, in log-odds before calibration.

        A row's sum is the log-odds of its `predict_raw` (TreeSHAP, Lundberg et al. 2020, in LightGBM).
        """
        names = [*self.feature_names, "bias"]
        if frame.is_empty():
            return pl.DataFrame(schema={name: pl.Float64 for name in names})
        matrix = feature_matrix(frame, self.feature_names)
        return pl.DataFrame(np.asarray(self.booster.predict(matrix, pred_contrib=True)), schema=names)

    def importance(self) -> pl.DataFrame:
        """Return per feature `gain` (total loss reduction of its splits) and `splits`, largest gain first."""
        return pl.DataFrame(
            {
                "feature": list(self.feature_names),
                "gain": self.booster.feature_importance("gain").astype(np.float64),
                "splits": self.booster.feature_importance("split").astype(np.int64),
            }
        ).sort("gain", "feature", descending=[True, False])

    @property
    def digest(self) -> str:
        """SHA-256 of everything that is stored, as hexadecimal text."""
        digest = hashlib.sha256()
        for start in range(0, len(self.booster_text), PIECE_CHARACTERS):
            digest.update(self.booster_text[start : start + PIECE_CHARACTERS].encode())
        digest.update(_canonical(self.document()).encode())
        return digest.hexdigest()

    def save(self, folder: Path) -> None:
        """Write the model into `folder`, which is made if needed; the same model gives the same bytes."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / BOOSTER_FILE).write_text(self.booster_text, encoding="utf-8", newline="\n")
        document = {"format_version": FORMAT_VERSION, "digest": self.digest, "model": self.document()}
        (folder / DOCUMENT_FILE).write_text(
            json.dumps(document, sort_keys=True, indent=1) + "\n", encoding="utf-8"
        )

    @classmethod
    def load(cls, folder: Path) -> "TrainedModel":
        """Read a model that `save` wrote.

        Raises: PackagingError when a file is missing, is not ours, is larger than a model may be, or does not match the
        digest.
        """
        with _reading(folder):
            model, digest = _described(folder)
            text = read_limited(folder / BOOSTER_FILE, LARGEST_TEXT_BYTES).decode()
            model = replace(model, booster_text=text)
        _require_digest(folder, model.digest, digest)
        return model

    @cached_property
    def booster(self) -> "lightgbm.Booster":
        """LightGBM's own object, made from the text when it is first needed."""
        let_waiting_threads_sleep()
        import lightgbm

        try:
            return lightgbm.Booster(model_str=self.booster_text)
        except lightgbm.basic.LightGBMError as error:
            raise PackagingError(f"booster text cannot be read by LightGBM: {error}") from error

    def _raw(self, matrix: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        if not len(matrix):
            return np.empty(0, dtype=np.float64)
        threads = 1 if len(matrix) < ROWS_WORTH_THREADS else 0
        return np.asarray(self.booster.predict(matrix, num_threads=threads), dtype=np.float64)

    def document(self) -> dict[str, Any]:
        """Return everything that is stored beside the booster's text, as JSON values."""
        return {
            "feature_names": list(self.feature_names),
            "label": self.label,
            "calibrator": self.calibrator.to_json(),
            "best_iteration": self.best_iteration,
            "parameters": dict(self.parameters),
            "seed": self.seed,
            "splits": {name: asdict(count) for name, count in self.splits.items()},
            "validation_metric": self.validation_metric,
            "validation_curve": list(self.validation_curve),
        }


@dataclass(frozen=True)
class StoredModel:
    """What can be said of a model's files without loading the model."""

    digest: str
    """See `TrainedModel.digest`."""
    feature_names: tuple[str, ...]


def stored_model(folder: Path) -> StoredModel:
    """Check the files that `TrainedModel.save` wrote; whatever their size, this takes little memory.

    Raises: PackagingError as `TrainedModel.load` does.
    """
    with _reading(folder):
        model, digest = _described(folder)
        with (folder / BOOSTER_FILE).open("rb") as text:
            require_size(folder / BOOSTER_FILE, os.fstat(text.fileno()).st_size, LARGEST_TEXT_BYTES)
            found = hashlib.file_digest(text, "sha256")
        found.update(_canonical(model.document()).encode())
    _require_digest(folder, found.hexdigest(), digest)
    return StoredModel(found.hexdigest(), model.feature_names)


def feature_matrix(frame: pl.DataFrame, feature_names: Sequence[str]) -> npt.NDArray[np.float64]:
    """Return a C-ordered float64 matrix, shape (rows, features); null becomes NaN, LightGBM's missing.

    A column of type Null counts as all missing. Integers above 2**53 lose precision.

    Raises: FeatureError for a missing or non-numeric column, and for a NaN or infinite value.
    """
    return _feature_columns(frame, feature_names).to_numpy(order="c")


def _feature_columns(frame: pl.DataFrame, feature_names: Sequence[str]) -> pl.DataFrame:
    """Return the features as Float64 columns; raises as `feature_matrix`."""
    missing = [name for name in feature_names if name not in frame.columns]
    if missing:
        raise FeatureError(
            f"feature column missing: {', '.join(missing)}; the frame has {', '.join(frame.columns)}"
        )
    for name in feature_names:
        dtype = frame.schema[name]
        if not (dtype.is_numeric() or dtype in (pl.Boolean, pl.Null)):
            raise FeatureError(
                f"feature {name} has type {dtype}, but a model reads numbers: encode it in the view"
            )
    columns = frame.select(pl.col(name).cast(pl.Float64) for name in feature_names)
    finite = columns.select(pl.all().is_finite().all())
    for name, is_finite in finite.row(0, named=True).items():
        if not is_finite:
            _refuse_infinite(columns[name])
    return columns


def _refuse_infinite(values: pl.Series) -> None:
    wrong = ~values.is_finite()
    row = wrong.fill_null(value=False).arg_true()[0]
    raise FeatureError(
        f"feature {values.name} is {values[row]} in {wrong.sum()} of {values.len()} rows, first in row "
        f"{row}; a missing value is null, and a ratio needs its zero denominator handled in the view"
    )


@contextmanager
def _reading(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise PackagingError(f"model in {folder} cannot be read: {type(error).__name__}: {error}") from error


def _described(folder: Path) -> tuple[TrainedModel, str | None]:
    """Return the model without its booster's text, and the digest that it was stored under."""
    document = json.loads(read_limited(folder / DOCUMENT_FILE))
    if (found := document["format_version"]) != FORMAT_VERSION:
        remedy = "read it with the version that stored it, or train the model again"
        raise PackagingError(
            other_format(f"model in {folder}", found, readable=FORMAT_VERSION, remedy=remedy)
        )
    return _from_document("", document["model"]), document.get("digest")


def _require_digest(folder: Path, found: str, stored: str | None) -> None:
    if found != stored:
        raise PackagingError(
            f"model in {folder} does not match its digest {stored}: a file was changed or cut short"
        )


def _from_document(booster_text: str, document: Mapping[str, Any]) -> TrainedModel:
    return TrainedModel(
        booster_text=booster_text,
        feature_names=tuple(document["feature_names"]),
        label=document["label"],
        calibrator=calibrator_from_json(document["calibrator"]),
        best_iteration=document["best_iteration"],
        parameters=document["parameters"],
        seed=document["seed"],
        splits={name: SplitCount(**count) for name, count in document["splits"].items()},
        validation_metric=document["validation_metric"],
        validation_curve=tuple(document["validation_curve"]),
    )


def _canonical(document: Mapping[str, Any]) -> str:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
