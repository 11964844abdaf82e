"""Types of the requests and answers of the scoring service, made from the bento's manifest.

What must not live here: scoring and routes (`service`).
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from mlops_assets.core.bento_manifest import BentoManifest, ServedFeature

MAXIMUM_ROWS = 1000
"""Rows of one request."""


class ScoreAnswer(BaseModel):
    """Calibrated probabilities of outcome 1, in the order of the request's rows, and the model that gave
    them.
    """

    product: str
    version: int
    digest: str
    probabilities: list[float]


class ModelAnswer(BaseModel):
    """The version that is served."""

    product: str
    title: str
    version: int
    digest: str
    label: str
    features: list[str]
    libraries: dict[str, str]


def score_request_type(manifest: BentoManifest) -> type[BaseModel]:
    """Return the type of a scoring request: `rows`, each with exactly the model's features.

    Every feature must be given; null means missing. Unknown fields, text, booleans, NaN and infinities are
    refused.
    """
    fields: dict[str, Any] = {feature.name: _field(feature) for feature in manifest.features}
    strict = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)  # errors reach the log
    row = create_model("FeatureVector", __config__=strict, **fields)
    rows: Any = (list[row], Field(min_length=1, max_length=MAXIMUM_ROWS))
    return create_model("ScoreRequest", __config__=strict, rows=rows)


def _field(feature: ServedFeature) -> tuple[Any, Any]:
    text = feature.description
    if feature.unit:
        text += f" Unit: {feature.unit}."
    if feature.null_means:
        text += f" Null: {feature.null_means}."
    return (float | None, Field(description=text, allow_inf_nan=False))
