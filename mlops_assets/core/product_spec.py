"""What a product's `defs.yaml` may say: names, types, units, defaults; a key that is not here is an error."""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from mlops_assets.core.declared.alerts import Alerts
from mlops_assets.core.declared.time_axis import TimeAxis, windows_that_hold_a_partition
from mlops_assets.core.declared.upkeep import Retention, Schedules
from mlops_assets.core.declared_types import Name, Owner, Scalar, Section, Share, Tag
from mlops_assets.core.times import LONGEST_DAYS


class Source(Section):
    """Where raw rows come from; `kind` picks a reader of the product's `dataset.py`."""

    kind: Name
    """A key of the product's SOURCES, for example simulator or parquet."""
    path: str | None = None
    """File or URI for kinds that read one; relative paths are taken from the product folder."""
    options: dict[str, Scalar] = Field(default={})
    """Keyword arguments of the reader, for example the size of a simulation."""
    lateness_days: Annotated[int, Field(ge=0, le=366)] = 7
    """Days before the newest ingested one whose rows may still arrive or be corrected; 0: nothing changes."""
    silent_below: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of its weekday's usual events below which a day is silent: a check fails, training stops; 0: never."""


class Label(Section):
    """What is predicted."""

    column: Name
    """Column of the `labels` table: 0 or 1 for binary."""
    description: str
    """What a positive label means, in words."""
    delay_days: Annotated[int, Field(ge=0)] = 0
    """Days between an event and the time at which its outcome is known; 0 for a cohort whose outcomes are all known."""


class Contract(Section):
    """Limits on what ingestion may let pass."""

    max_rejected_share: Share = 0.01
    """Largest share of a partition's rows that may break the contract before the partition is blocked."""
    known_before_event: bool = False
    """Whether events may be known before they happen, as bookings are; false rejects a row that says so."""


class TimeSplit(Section):
    """Train, validation and test windows that end at the training set's as-of time, oldest first, with gaps."""

    kind: Literal["time"] = "time"
    train_days: Annotated[int, Field(ge=1)] = 60
    validation_days: Annotated[int, Field(ge=1)] = 7
    test_days: Annotated[int, Field(ge=1)] = 7
    gap_days: Annotated[int, Field(ge=0)] = 7
    """Days between a split's end and the next one's start, and from the test's end to the as-of time; at least the
    label delay.
    """


class StratifiedSplit(Section):
    """Seeded random splits with the same outcome share in each, for products without a time axis."""

    kind: Literal["stratified"] = "stratified"
    train_share: Share = 0.6
    validation_share: Share = 0.2
    test_share: Share = 0.2
    seed: int = 0

    @model_validator(mode="after")
    def _shares_sum_to_one(self) -> Self:
        if abs(self.train_share + self.validation_share + self.test_share - 1) > 1e-9:
            raise ValueError("train_share, validation_share and test_share must sum to 1")
        return self


class Training(Section):
    """How a candidate is fitted."""

    seed: int = 0
    num_boost_round: Annotated[int, Field(ge=1, le=100_000)] = 1000
    """Most boosting rounds; early stopping ends before."""
    early_stopping_rounds: Annotated[int, Field(ge=1)] = 50
    """Rounds without improvement of the validation metric before boosting stops."""
    metric: Literal["average_precision", "auc", "binary_logloss"] = "binary_logloss"
    """Validation metric of early stopping."""
    class_imbalance: Literal["none", "scale_pos_weight"] = "none"
    """scale_pos_weight weighs positives by the ratio of negatives to positives among the train rows."""
    calibration: Literal["none", "sigmoid", "isotonic", "auto"] = "auto"
    """Probability calibrator fitted on validation rows; auto takes the best cross-fitted Brier score on them."""
    monotone_constraints: dict[Name, Literal[-1, 1]] = Field(default={})
    """Feature name to the direction in which the score may move."""
    parameters: dict[str, Scalar] = Field(default={})
    """LightGBM parameters that hold for every trial."""
    num_threads: Annotated[int, Field(ge=1)] = 2
    """Threads of one fit; part of what makes model bytes reproducible."""


class SearchRange(Section):
    """One tuned LightGBM parameter: a numeric range, or a list of choices."""

    low: float | None = None
    high: float | None = None
    log: bool = False
    """Draw on a logarithmic scale."""
    integer: bool = False
    """Draw whole numbers."""
    choices: tuple[Scalar, ...] | None = None

    @model_validator(mode="after")
    def _range_or_choices(self) -> Self:
        if (self.choices is None) == (self.low is None or self.high is None):
            raise ValueError("give either low and high, or choices")
        return self


class Tuning(Section):
    """The budget and space of the hyperparameter search; validation rows judge, test rows are never seen."""

    trials: Annotated[int, Field(ge=1)] = 20
    """Settings to try; the first is `training.parameters` as declared."""
    timeout_seconds: Annotated[float, Field(gt=0)] = 120
    """The search stops after so many seconds even if trials are left; it is then not reproducible, and says so."""
    search_space: dict[str, SearchRange] = Field(default={})
    """LightGBM parameter name to the range that is searched."""


class Cost(Section):
    """What a decision costs, in the product's own currency; the decision threshold minimises the expected sum."""

    false_positive: Annotated[float, Field(ge=0)] = 1.0
    false_negative: Annotated[float, Field(ge=0)] = 1.0
    unit: str = "1"
    """Unit of both costs, for plots."""


class Slice(Section):
    """Rows grouped by a column of the events or features, for metrics per group."""

    column: Name
    breaks: tuple[float, ...] | None = None
    """Cut points of a numeric column, left-closed; null for a categorical column."""
    is_sensitive: bool = False
    """Sensitive groups enter the fairness table too."""


class Evaluation(Section):
    """How a candidate is judged on the test rows."""

    primary_metric: Literal["auc", "average_precision", "brier"] = "auc"
    """Shown first by `mlops status`, and watched by the performance report."""
    bootstrap_samples: Annotated[int, Field(ge=100)] = 1000
    """Resamples of the test rows behind every interval."""
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    """Coverage of every interval."""
    seed: int = 0
    group_column: Name | None = None
    """Entity whose rows are resampled together, since they are not independent; null resamples rows."""
    cost: Cost = Cost()
    slices: tuple[Slice, ...] = ()
    minimum_slice_rows: Annotated[int, Field(ge=1)] = 200
    """Slices with fewer rows are drawn grey, and no gate judges them."""


class Gate(Section):
    """One condition for a release, judged as pass, fail or inconclusive."""

    name: Name
    metric: Literal[
        "auc",
        "average_precision",
        "brier",
        "calibration_error",
        "true_positive_rate_gap",
        "selection_rate_gap",
    ]
    against: Name | Literal["absolute"] = "absolute"
    """`absolute`, or a contender: constant, logistic_regression, champion or a baseline of the product."""
    minimum: float | None = None
    """absolute: the whole interval must lie at or above this."""
    maximum: float | None = None
    """absolute: the whole interval must lie at or below this."""
    margin: Annotated[float, Field(ge=0)] = 0.0
    """against a contender: how much worse the candidate may be (non-inferiority); 0 asks for at least as good."""
    slices: bool = False
    """Judge every slice with enough rows too; the worst verdict counts."""
    minimum_rows: Annotated[int, Field(ge=1)] = 200
    """With fewer rows the verdict is inconclusive."""
    minimum_positives: Annotated[int, Field(ge=0)] = 20
    """With fewer positives the verdict is inconclusive."""

    @model_validator(mode="after")
    def _limits_fit_the_kind(self) -> Self:
        has_limit = self.minimum is not None or self.maximum is not None
        if has_limit != (self.against == "absolute"):
            raise ValueError("an absolute gate needs minimum or maximum; a comparison takes margin instead")
        if self.metric.endswith("_gap") and (self.against != "absolute" or self.slices):
            raise ValueError(
                f"{self.metric} is a gap between groups: it takes a maximum, no contender and no slices"
            )
        return self


class Variant(Section):
    """A second model with further features, evaluated beside the product's own on the same rows."""

    name: Name
    extra_features: tuple[Name, ...]
    """Features of the view that the product's own model does not see."""
    reason: str
    """Why it is not the product's own model."""


class CanaryJudge(Section):
    """When the canary judge advances a challenger, holds it, or rolls it back."""

    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """Largest probability of ever rolling back a challenger that does no more harm than the margins allow, over all
    looks at one canary together.
    """
    error_odds_ratio: Annotated[float, Field(ge=1)] = 1.5
    """Margin: odds of a failed request, challenger's over champion's."""
    error_rate_difference: Share = 0.001
    """Margin: share of requests by which the challenger must fail more often before that is worth a rollback."""
    latency_odds_ratio: Annotated[float, Field(ge=1)] = 1.5
    """Margin: odds of a slow request, challenger's over champion's."""
    latency_limit_seconds: Annotated[float, Field(gt=0)] | None = None
    """Requests above this are slow; null takes the champion's 95th percentile before the canary."""
    score_odds_ratio: Annotated[float, Field(ge=1)] = 2.0
    """Margin, both ways: odds of a positive decision, of a score in the evaluation's highest tenth and in its lowest,
    beyond the odds ratio that the evaluation found between the two versions.
    """
    loss_odds_ratio: Annotated[float, Field(ge=1)] = 1.25
    """Margin: odds of the costliest wrong decision, challenger's over champion's, once outcomes are known; a cheaper
    one
    counts with its share of that cost in the exponent.
    """
    minimum_requests: Annotated[int, Field(ge=1)] = 1000
    """Requests that the challenger must have answered in a step before the next."""
    minimum_minutes: Annotated[float, Field(ge=0)] = 60
    """Age of a step before the next."""
    hold_evidence: Annotated[float, Field(gt=1)] = 10
    """Evidence of harm (an e-value) from which on the challenger is held where it is; 10 is strong (Jeffreys 1961)."""
    advance_on: Literal["minimum", "proof"] = "minimum"
    """minimum: advance after requests and minutes without such evidence; proof: also, every margin of which there were
    comparable requests must be excluded by its confidence sequence.
    """
    warm_up_seconds: Annotated[float, Field(ge=0)] = 10
    """Requests of both arms in the first so many seconds of a step are not compared: services follow, models load."""
    cooldown_minutes: Annotated[float, Field(ge=0)] = 10
    """Minutes before what was asked for and failed is asked for again."""


class Release(Section):
    """What stands between a version that passed its gates and a release."""

    approval: Literal["automatic", "manual"] = "manual"
    """manual: a named person must run `mlops approve` first."""
    strategy: Literal["blue_green", "canary", "shadow"] = "blue_green"
    """What the asset `release` does with a new version that is ready: let it answer everybody, try it on the ramp's
    first share of the entities, or let it score silently. The first version of all answers everybody.
    """
    ramp: tuple[Annotated[int, Field(ge=1, le=100)], ...] = (1, 5, 25, 50, 100)
    """Percentages of a canary, one after the other; at 100 the challenger is the champion."""
    judge: CanaryJudge = CanaryJudge()
    latency_margin: Annotated[float, Field(ge=0)] = 0.5
    """Share by which 99 of 100 answers under load may take longer than the champion's bento needs in the same run."""
    maximum_p99_ms: Annotated[float, Field(gt=0)] | None = None
    """A limit of your own for them, where the champion's bento keeps it in the same run; null for none."""

    @model_validator(mode="after")
    def _ramp_rises_to_everybody(self) -> Self:
        if not self.ramp or self.ramp[-1] != 100 or list(self.ramp) != sorted(set(self.ramp)):
            raise ValueError("ramp must rise from step to step and end with 100")
        return self


class Monitoring(Section):
    """Windows and limits of the monitoring reports."""

    window_days: Annotated[int, Field(ge=1)] = 7
    """Length of the trailing window that ends with the report's partition day."""
    false_alarms_per_quarter: Annotated[float, Field(gt=0, le=20)] = 1.0
    """Promise: how many alarms a quarter may bring in which nothing happened; the limits of all verdicts follow."""
    maximum_rows: Annotated[int, Field(ge=1000)] = 20_000
    """Rows per side of Evidently's page and of an estimate of quality, a sample of more; other verdicts see all,
    that of columns together a sample of at most 4,000 a day."""
    minimum_rows: Annotated[int, Field(ge=1)] = 50
    """Windows with fewer rows are inconclusive."""
    minimum_positives: Annotated[int, Field(ge=1)] = 20
    """Windows with fewer known outcomes of either class are inconclusive about performance."""
    maximum_model_age_days: Annotated[int, Field(ge=1)] | None = None
    """Days after its as-of time from which on a model is too old; null: its quality decides, not its age."""
    performance_drop: Annotated[float, Field(gt=0)] = 0.05
    """Drop of the primary metric below the champion's test value at which the window alarms."""
    cooldown_days: Annotated[int, Field(ge=0)] = 7
    """Days after a retraining that drift asked for in which drift asks for none."""
    alarms: Annotated[int, Field(ge=1)] = 2
    """k of k-of-n: alarming windows that ask for retraining."""
    of_windows: Annotated[int, Field(ge=1)] = 3
    """n of k-of-n: how many of the latest windows are looked at."""

    @model_validator(mode="after")
    def _alarms_fit_into_the_windows(self) -> Self:
        if self.alarms > self.of_windows:
            raise ValueError("alarms is more than of_windows: drift would never ask for retraining")
        return self


class ProductSpec(Section):
    """A whole model product as its `defs.yaml` declares it."""

    name: Name
    """The folder's name, the first part of every asset key, and the name in the model registry."""
    title: str
    """Name for people."""
    description: str
    """What is scored, when, and from what."""
    domain: Tag
    """Business domain; a tag of every asset: at most 63 letters, digits, `_`, `-` and `.`."""
    owners: tuple[Owner, ...]
    """Dagster owners: e-mail addresses or team:name."""
    pii: bool = False
    """Whether rows describe persons; tags every data asset."""
    task: Literal["binary"] = "binary"
    id_column: Name
    """Identifies an event (or a member of a cohort) in every table."""
    entities: tuple[Name, ...] = ()
    """Key columns of whom or what the events are about."""
    time: TimeAxis | None = None
    source: Source
    label: Label
    contract: Contract = Contract()
    split: TimeSplit | StratifiedSplit = Field(discriminator="kind")
    model_features: tuple[Name, ...] | None = None
    """Features of the view that the product's model sees; null for all but those of the variants."""
    variants: tuple[Variant, ...] = ()
    training: Training = Training()
    tuning: Tuning = Tuning()
    evaluation: Evaluation = Evaluation()
    gates: tuple[Gate, ...]
    """At least one; a version whose gates did not all pass is released by an override only."""
    release: Release = Release()
    monitoring: Monitoring = Monitoring()
    alerts: Alerts = Alerts()
    schedules: Schedules = Schedules()
    retention: Retention = Retention()

    @model_validator(mode="before")
    @classmethod
    def _windows_hold_a_partition(cls, declared: object) -> object:
        return windows_that_hold_a_partition(declared)

    @model_validator(mode="after")
    def _sections_agree(self) -> Self:
        if (self.time is None) != (self.split.kind == "stratified"):
            raise ValueError(
                "a product with a time axis takes split.kind: time, one without takes stratified"
            )
        if isinstance(self.split, TimeSplit) and self.split.gap_days < self.label.delay_days:
            raise ValueError(
                f"split.gap_days ({self.split.gap_days}) is shorter than label.delay_days ({self.label.delay_days}): "
                "labels of the test rows would not be known yet at training time"
            )
        if self.time is not None and self.monitoring.window_days < self.days_between_windows:
            raise ValueError(
                f"monitoring.window_days ({self.monitoring.window_days}) is shorter than a {self.time.partitions}, the "
                "length of time.partitions: some days would be in no window"
            )
        if not self.gates:
            raise ValueError("gates: at least one is needed, since nothing is released without a passed gate")
        return self

    @property
    def label_delay(self) -> timedelta:
        """Time from an event to its outcome being known."""
        return timedelta(days=self.label.delay_days)

    @property
    def days_between_windows(self) -> int:
        """Days from one report to the next at most: those of a partition."""
        return 1 if self.time is None else LONGEST_DAYS[self.time.partitions]
