"""The section `alerts` of a product's defs.yaml: which rules hold for it, and what each of them watches."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from mlops_assets.core.declared_types import Name, Section

Topic = Literal[
    "data_quality",
    "drift",
    "joint_drift",
    "prediction_drift",
    "label_drift",
    "performance",
    "estimated_performance",
    "calibration",
    "fairness",
    "service",
    "age",
    "parity",
    "custom",
]
"""What a finding of monitoring is about."""
Severity = Literal["info", "warning", "critical"]
FindingNumber = Literal["value", "low", "high", "expected", "consequence"]
Runbook = Annotated[str, Field(pattern=r"^(https?://)?[A-Za-z0-9][^\s<>|\"'`\\]{0,500}$")]
WATCHING = ("quality", "drift", "latency", "monitors")
"""Rules that stand without a line in defs.yaml, and watch what monitoring finds."""
FAILURES = ("run_failure", "check_failure")
"""Rules that stand without a line in defs.yaml, and tell of Dagster's runs and checks."""


class AlertRule(Section):
    """When people are told. A rule of a name that stands already changes what is given here and keeps the rest."""

    enabled: bool = True
    """false switches the rule off; an open alert of it is resolved."""
    topics: tuple[Topic, ...] = ()
    """Topics of the findings that it watches, the most trusted first; needed for a rule of your own."""
    subject: str | None = None
    """The only column, metric, slice or resource that it watches; null for all, each with an alert of its own."""
    number: FindingNumber = "value"
    """Number of a finding that `above` and `below` are compared with; of `value` the whole interval must lie beyond."""
    above: float | None = None
    """Alarms above this number, instead of where the finding itself alarms."""
    below: float | None = None
    """Alarms below this number, instead of where the finding itself alarms."""
    severity: Severity = "warning"
    alarms: Annotated[int, Field(ge=1, le=100)] = 1
    """k of k-of-n: windows that must alarm."""
    of_windows: Annotated[int, Field(ge=1, le=100)] = 1
    """n of k-of-n: how many of the latest windows are looked at."""
    runbook: Runbook | None = None
    """Address or page that says what to do; null for the platform's own page on the rule."""
    sinks: tuple[Name, ...] | None = None
    """Names of the sinks that it goes to; null for all that take its severity and product."""

    @model_validator(mode="after")
    def _one_limit_and_windows_that_fit(self) -> Self:
        if self.above is not None and self.below is not None:
            raise ValueError("give above or below: a rule watches one side")
        if self.alarms > self.of_windows:
            raise ValueError("alarms is more than of_windows: the rule would never alarm")
        if "number" in self.model_fields_set and self.above is None and self.below is None:
            raise ValueError("number is compared with above or below: give one of them")
        return self


class Alerts(Section):
    """Who is told of what; rules that need no line: quality, drift, latency, monitors, run_failure, check_failure."""

    rules: dict[Name, AlertRule] = Field(default={})
    """Rules by name: your own, and what is to change of those that stand already."""
    remind_hours: Annotated[float, Field(ge=1)] = 24
    """Hours after which an alert that is still open is sent again, each time after twice as many."""

    @model_validator(mode="after")
    def _rules_watch_something(self) -> Self:
        for name, rule in self.rules.items():
            if name in FAILURES:
                wrong = rule.model_fields_set - {"enabled", "severity", "runbook", "sinks"}
                if wrong:
                    raise ValueError(f"{name} is about runs and takes no {', '.join(sorted(wrong))}")
            elif name not in WATCHING and not rule.topics:
                raise ValueError(f"rule {name} is your own: say with topics what it watches")
        return self
