"""What the findings of a window come to: one line, and the order in which a person reads the rest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlops_assets.core.declared.alerts import Topic
from mlops_assets.core.monitoring.finding import Finding, State
from mlops_assets.core.monitoring.pages.markup import counted

TOPICS: Mapping[Topic, str] = {
    "data_quality": "Data quality",
    "performance": "Performance",
    "estimated_performance": "Estimated performance",
    "calibration": "Calibration",
    "fairness": "Fairness",
    "parity": "Parity of serving and training",
    "service": "Service",
    "label_drift": "Label drift",
    "prediction_drift": "Prediction drift",
    "joint_drift": "Joint drift",
    "drift": "Drift of columns",
    "custom": "Monitors of this product",
    "age": "Age of model and data",
}
"""Every topic with its title, in the order of the pages."""
_LOSSES: tuple[Topic, ...] = (
    "performance",
    "estimated_performance",
    "calibration",
    "fairness",
    "parity",
    "service",
)
"""Topics whose alarms are losses by themselves, not only signs of one."""
_SEVERITY: Mapping[State, int] = {"alarm": 0, "inconclusive": 1, "ok": 2}
_NAMED = 3


@dataclass(frozen=True)
class Headline:
    """A window in one line."""

    state: State
    words: str


def headline(findings: Sequence[Finding]) -> Headline:
    """Say what the findings of a window come to: a broken source first, then a loss of quality, then drift."""
    alarms = [one for one in ranked(findings) if one.state == "alarm"]
    open_ones = [one for one in findings if one.state == "inconclusive"]
    if not findings:
        return Headline("inconclusive", "Nothing is known of this window")
    broken = [one for one in alarms if one.cause == "broken"]
    losses = [one for one in alarms if one.topic in _LOSSES]
    if broken:
        more = f"; {counted(len(losses), 'loss', 'losses')} of quality beside it" if losses else ""
        return Headline("alarm", f"Broken: {_named(broken)}. Mend the source first{more}")
    if losses:
        return Headline("alarm", f"Quality fell: {_named(losses)}")
    if alarms:
        return Headline("alarm", f"Changed: {_named(alarms)}; no loss of quality is shown")
    if open_ones:
        words = f"No alarm; {len(open_ones)} of {counted(len(findings), 'question')} cannot be answered yet"
        return Headline("inconclusive", words)
    return Headline("ok", f"All is well in {counted(len(findings), 'finding')}")


def ranked(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return the findings as a person reads them.

    Alarms come first, then what is inconclusive. Among them a broken source comes first, then losses of quality, then
    the larger consequence; a consequence that is not known comes last.
    """
    return tuple(sorted(findings, key=_rank))


def by_topic(findings: Sequence[Finding]) -> Mapping[Topic, tuple[Finding, ...]]:
    """Return the findings of each topic that has any, in the order of the pages."""
    order = ranked(findings)
    groups: dict[Topic, tuple[Finding, ...]] = {
        topic: tuple(one for one in order if one.topic == topic) for topic in TOPICS
    }
    return {topic: group for topic, group in groups.items() if group}


def worst_columns(findings: Sequence[Finding], most: int) -> tuple[Finding, ...]:
    """Return the columns that moved with the largest consequence, the score among them; alarms first."""
    moved = [one for one in findings if one.topic in ("drift", "prediction_drift") and one.value is not None]
    return ranked(moved)[:most]


def _rank(finding: Finding) -> tuple[int, bool, bool, float, float]:
    beyond = (finding.value or 0.0) / finding.limit if finding.limit else 0.0
    return (
        _SEVERITY[finding.state],
        finding.cause != "broken",
        finding.topic not in _LOSSES,
        -(finding.consequence or 0.0),
        -abs(beyond),
    )


def _named(findings: Sequence[Finding]) -> str:
    """Name the first subjects, each once, with the first day that they point at."""
    days: dict[str, str | None] = {}
    for one in findings:
        if days.get(one.subject) is None:
            days[one.subject] = one.partition
    told = [f"{subject} ({day})" if day else subject for subject, day in days.items()]
    more = f" and {len(told) - _NAMED} more" if len(told) > _NAMED else ""
    return ", ".join(told[:_NAMED]) + more
