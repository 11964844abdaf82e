"""The scoring service of one bento: feature vectors in, calibrated probabilities out.

What must not live here: Dagster, and reading anything outside the bento.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import bentoml
import numpy as np
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from mlops_assets.core.bento_manifest import BentoManifest
from mlops_assets.core.errors import PackagingError
from mlops_assets.core.model import TrainedModel
from serving.request_types import ModelAnswer, ScoreAnswer, score_request_type


def make_service(manifest_file: Path) -> Any:
    """Return the BentoML service of the bento whose manifest is `manifest_file`.

    A worker starts only with the model that the manifest names.

    Raises: PackagingError when the manifest cannot be read, and on start when the model does not match it.
    """
    manifest = BentoManifest.read(manifest_file)
    score_request: Any = score_request_type(
        manifest
    )  # BentoML makes its own descriptor of any Pydantic model

    @bentoml.asgi_app(_describe_by_get(manifest))
    @bentoml.service(name=manifest.product, description=manifest.title, workers=1, traffic={"timeout": 30})
    class Scoring:
        """Scores feature vectors."""

        stored_model = bentoml.models.BentoModel(manifest.model_tag)

        def __init__(self) -> None:
            self.model = _load(Path(self.stored_model.path), manifest)
            self.model.predict_matrix(
                np.zeros((1, len(manifest.features)))
            )  # ready means that LightGBM is loaded

        @bentoml.api(route="/score", input_spec=score_request)
        async def score(self, rows: list[BaseModel]) -> ScoreAnswer:
            """Score one or many feature vectors: the probability of outcome 1 for each, calibrated."""
            return ScoreAnswer(
                product=manifest.product,
                version=manifest.version,
                digest=manifest.digest,
                probabilities=_probabilities(self.model, rows),
            )

        @bentoml.api(route="/model")
        async def describe(self) -> ModelAnswer:
            """Tell which model is served."""
            return _model_answer(manifest)

    return Scoring


def _describe_by_get(manifest: BentoManifest) -> Starlette:
    """Return GET /model: an API of BentoML answers POST only."""

    async def describe(_: Request) -> JSONResponse:
        return JSONResponse(_model_answer(manifest).model_dump())

    return Starlette(routes=[Route("/model", describe, methods=["GET"])])


def _load(folder: Path, manifest: BentoManifest) -> TrainedModel:
    model = TrainedModel.load(folder)
    if model.digest != manifest.digest:
        raise PackagingError(
            f"{manifest.product} version {manifest.version}: the model in {folder} has digest "
            f"{model.digest[:12]}, the bento was built for {manifest.digest[:12]}; build it again"
        )
    return model


def _probabilities(model: TrainedModel, rows: Sequence[BaseModel]) -> list[float]:
    matrix = np.array(
        [
            [np.nan if (value := getattr(row, name)) is None else value for name in model.feature_names]
            for row in rows
        ],
        dtype=np.float64,
    )
    return model.predict_matrix(matrix).tolist()


def _model_answer(manifest: BentoManifest) -> ModelAnswer:
    content = asdict(manifest)
    return ModelAnswer(
        **{name: content[name] for name in ("product", "title", "version", "digest", "label")},
        features=[feature.name for feature in manifest.features],
        libraries=dict(manifest.libraries),
    )
