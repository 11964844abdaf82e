"""What the endpoints answer. Field names are part of the interface."""

from datetime import datetime
from typing import Any

import msgspec

from mlops_assets.core.serving.prediction_record import PredictionRecord, ServedRole


class Prediction(msgspec.Struct, frozen=True):
    """The answer to one event."""

    prediction_id: str
    """Names the captured record; the same event to the same version has the same id."""
    event_id: int | str
    score: float
    """Calibrated probability of outcome 1."""
    decision: int
    """1 when score >= threshold, else 0."""
    threshold: float
    version: int
    """The model version that answered."""
    role: ServedRole
    """The arm of the release plan that answered: champion or challenger."""
    plan_sequence: int
    """The release plan under which it answered; 0 without a plan."""

    @classmethod
    def of(cls, record: PredictionRecord) -> "Prediction":
        """Return what a client sees of a record that has a score."""
        return cls(
            record.prediction_id,
            record.event_id,
            record.score,  # pyright: ignore[reportArgumentType]
            record.decision,  # pyright: ignore[reportArgumentType]
            record.threshold,  # pyright: ignore[reportArgumentType]
            record.version,
            record.role,
            record.plan_sequence,
        )


class Contribution(msgspec.Struct, frozen=True):
    """What one feature adds to the log-odds."""

    feature: str
    value: float | None
    """The feature's value; null as its description says."""
    contribution: float
    """SHAP value, in log-odds before calibration."""


class Explanation(msgspec.Struct, frozen=True):
    """Why an event has its score: `bias` and all contributions sum to the log-odds before calibration."""

    version: int
    role: ServedRole
    score: float
    threshold: float
    bias: float
    """The model's mean log-odds."""
    contributions: list[Contribution]
    """Largest first."""
    prediction_id: str | None = None
    """Set when a captured prediction was explained."""


class ServedArm(msgspec.Struct, frozen=True):
    """One version's part in what is released."""

    version: int
    role: ServedRole
    percent: int
    """Share of the entities that it answers."""
    digest: str
    threshold: float
    features: list[str]
    view_digest: str
    """Of the feature view that computes its features."""


class ServedFeatureAnswer(msgspec.Struct, frozen=True):
    """A feature that a served version reads."""

    name: str
    description: str
    unit: str
    null_means: str


class Release(msgspec.Struct, frozen=True):
    """What is released, since when, by whom and why."""

    product: str
    title: str
    label: str
    mode: str
    """blue_green, canary, shadow or rollback; `bento` when the bento serves its own version without a plan."""
    plan_sequence: int
    since: datetime | None
    by: str | None
    reason: str | None
    evidence: dict[str, str]
    arms: list[ServedArm]
    features: list[ServedFeatureAnswer]
    view_digest: str
    """Of the feature view that the bento was built with."""
    libraries: dict[str, str]
    """Installed where the bento was built, and pinned in it."""
    online_store: str
    """Kind of the store; `none` for a product without state."""
    capture_policy: str
    access: str
    """Who may ask: `api_key`, or `open` for everybody who reaches the service."""
    follower: dict[str, Any]
    """How the release record was last read; empty when none is followed."""
    problem: str | None
    """Why the newest plan is not followed; null when it is."""
