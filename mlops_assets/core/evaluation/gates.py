"""Gates: whether an evaluation is good enough for a release, with the answer "the data cannot tell" as a
third verdict.

A verdict rests on the whole interval, never on the point: pass when all of it is on the right side of the
limit, fail when all of it is on the wrong side, inconclusive in between
(docs/decisions/004-gates-with-uncertainty.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import polars as pl

from mlops_assets.core.errors import ConfigurationError
from mlops_assets.core.evaluation.result import EvaluationResult
from mlops_assets.core.product_spec import Gate

Verdict = Literal["pass", "fail", "inconclusive"]
CHAMPION = "champion"
_SEVERITY: tuple[Verdict, ...] = ("pass", "inconclusive", "fail")


@dataclass(frozen=True)
class GateVerdict:
    """One gate's verdict with the numbers that it rests on.

    Of a comparison, `value`, `low` and `high` are how much better the candidate is (positive is better
    whatever the metric's direction) and `limit` is minus the margin. `slice` is `column=group` when a slice
    decided.
    """

    name: str
    verdict: Verdict
    reason: str
    metric: str
    against: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    limit: float | None = None
    rows: int = 0
    positives: int = 0
    slice: str | None = None


def judge(
    gates: Sequence[Gate], result: EvaluationResult, *, champion_note: str | None = None
) -> tuple[GateVerdict, ...]:
    """Judge every gate, in order.

    A gate against the champion passes while there is none: nothing is replaced, and the other gates say
    whether the candidate is good enough by itself. A gate with `slices` takes the worst verdict of all rows
    and of every group that is large enough; a fairness gate the worst of all attributes.

    champion_note: why there is a champion that was compared on fewer rows, or on none: the verdict is then
    inconclusive.

    Raises: ConfigurationError for a contender that was not evaluated or for a metric that it does not have.
    """
    return tuple(_judge_gate(gate, result, champion_note) for gate in gates)


def overall(verdicts: Sequence[GateVerdict]) -> Verdict:
    """The worst verdict; inconclusive without any, since nothing was shown."""
    if not verdicts:
        return "inconclusive"
    return _worst(verdicts).verdict


def verdict_table(verdicts: Sequence[GateVerdict]) -> pl.DataFrame:
    """One row per gate, for metadata and tables."""
    fields = {name: [getattr(v, name) for v in verdicts] for name in GateVerdict.__dataclass_fields__}
    floats = dict.fromkeys(("value", "low", "high", "limit"), pl.Float64)
    counts = dict.fromkeys(("rows", "positives"), pl.Int64)
    return pl.DataFrame(fields, schema={name: {**floats, **counts}.get(name, pl.String) for name in fields})


@dataclass(frozen=True)
class _Evidence:
    """The numbers that a verdict rests on; `slice` is None for all rows."""

    value: float | None
    low: float | None
    high: float | None
    rows: int
    positives: int
    slice: str | None
    is_enough: bool


def _judge_gate(gate: Gate, result: EvaluationResult, champion_note: str | None) -> GateVerdict:
    if gate.metric.endswith("_gap"):
        return _worst([_judge(gate, evidence, result) for evidence in _gaps(gate, result)])
    if gate.against == CHAMPION and CHAMPION not in result.contenders:
        verdict: Verdict = "inconclusive" if champion_note else "pass"
        reason = champion_note or "no champion yet: nothing to compare"
        return GateVerdict(gate.name, verdict, reason, gate.metric, gate.against, limit=0.0 - gate.margin)
    whole = _judge(gate, _all_rows(gate, result), result)
    judged = _judge_slices(gate, whole, result) if gate.slices else whole
    if gate.against == CHAMPION and champion_note:
        return replace(judged, reason=f"{judged.reason}; {champion_note}")
    return judged


def _judge_slices(gate: Gate, whole: GateVerdict, result: EvaluationResult) -> GateVerdict:
    """Worst of all rows and of the groups that are large enough; the reason names those that are not."""
    kind = "slice" if gate.against == "absolute" else "slice_difference"
    groups = _evidence(result.of_kind(kind).filter(metric=gate.metric), gate)
    is_large = [group.is_enough and not _shortage(gate, group) for group in groups]
    small = [str(group.slice) for group, large in zip(groups, is_large, strict=True) if not large]
    judged = [_judge(gate, group, result) for group, large in zip(groups, is_large, strict=True) if large]
    lists = {f"{v}": [str(j.slice) for j in judged if j.verdict == v] for v in ("fail", "inconclusive")}
    notes = [
        f"{name}: {', '.join(slices)}" for name, slices in (lists | {"too small": small}).items() if slices
    ]
    worst = _worst([whole, *judged])
    return replace(worst, reason="; ".join([worst.reason, f"{len(judged)} slices judged", *notes]))


def _judge(gate: Gate, evidence: _Evidence, result: EvaluationResult) -> GateVerdict:
    minimum, maximum = (
        (0.0 - gate.margin, None) if gate.against != "absolute" else (gate.minimum, gate.maximum)
    )
    verdict, lead = _compare(gate, evidence, minimum=minimum, maximum=maximum)
    return GateVerdict(
        name=gate.name,
        verdict=verdict,
        reason=f"{lead}: {_describe(gate, evidence, result)}",
        metric=gate.metric,
        against=gate.against,
        value=evidence.value,
        low=evidence.low,
        high=evidence.high,
        limit=minimum if minimum is not None else maximum,
        rows=evidence.rows,
        positives=evidence.positives,
        slice=evidence.slice,
    )


def _compare(
    gate: Gate, evidence: _Evidence, *, minimum: float | None, maximum: float | None
) -> tuple[Verdict, str]:
    low, high = evidence.low, evidence.high
    if shortage := _shortage(gate, evidence):
        return "inconclusive", shortage
    if low is None or high is None:
        return "inconclusive", "no interval, since it is undefined here or in too many resamples"
    if (minimum is not None and high < minimum) or (maximum is not None and low > maximum):
        return "fail", "the whole interval is beyond the limit"
    if (minimum is None or low >= minimum) and (maximum is None or high <= maximum):
        return "pass", "the whole interval is within the limit"
    return "inconclusive", "the limit lies inside the interval"


def _shortage(gate: Gate, evidence: _Evidence) -> str | None:
    if evidence.rows >= gate.minimum_rows and evidence.positives >= gate.minimum_positives:
        return None
    return f"too few rows or positives ({gate.minimum_rows} and {gate.minimum_positives} are needed)"


def _describe(gate: Gate, evidence: _Evidence, result: EvaluationResult) -> str:
    where = f" in {evidence.slice}" if evidence.slice else ""
    of_all = f" of {result.rows}" if evidence.rows < result.rows else ""
    sample = f"on {evidence.rows}{of_all} rows ({evidence.positives} positives)"
    if gate.metric.endswith("_gap"):
        sample = f"(smallest group: {evidence.rows} rows, {evidence.positives} positives)"
    if gate.against == "absolute":
        bounds = [("at least", gate.minimum), ("at most", gate.maximum)]
        asked = " and ".join(f"{word} {bound:g}" for word, bound in bounds if bound is not None)
        return f"{gate.metric}{where} {_numbers(evidence, sign='')} {sample}; {asked} is asked"
    asked = f"at most {gate.margin:g} worse is allowed" if gate.margin else "not worse is asked"
    return f"{gate.metric}{where} ahead of {gate.against} by {_numbers(evidence, sign='+')} {sample}; {asked}"


def _numbers(evidence: _Evidence, *, sign: str) -> str:
    if evidence.value is None:
        return "undefined"
    interval = "no interval"
    if evidence.low is not None and evidence.high is not None:
        interval = f"{evidence.low:{sign}.4f} to {evidence.high:{sign}.4f}"
    return f"{evidence.value:{sign}.4f} [{interval}]"


def _worst(verdicts: Sequence[GateVerdict]) -> GateVerdict:
    """The worst verdict; of several equal ones the first, so that all rows come before slices."""
    return max(verdicts, key=lambda verdict: _SEVERITY.index(verdict.verdict))


def _all_rows(gate: Gate, result: EvaluationResult) -> _Evidence:
    is_absolute = gate.against == "absolute"
    if not is_absolute and gate.against not in result.contenders:
        raise ConfigurationError(
            f"gate {gate.name}: {gate.against!r} was not evaluated; "
            f"contenders are {', '.join(result.contenders)}"
        )
    estimates = result.of_kind("metric" if is_absolute else "difference")
    found = _evidence(estimates.filter(metric=gate.metric, contender=result.candidate), gate)
    if not found:
        raise ConfigurationError(
            f"gate {gate.name}: there is no {gate.metric} against {gate.against}; "
            "a contender that only ranks has neither brier nor calibration_error"
        )
    return found[0]


def _gaps(gate: Gate, result: EvaluationResult) -> list[_Evidence]:
    found = _evidence(result.of_kind("fairness_gap").filter(metric=gate.metric), gate)
    if not found:
        raise ConfigurationError(
            f"gate {gate.name}: {gate.metric} needs groups to compare, but none was evaluated; "
            "mark a column in evaluation.slices with is_sensitive: true"
        )
    return sorted(found, key=lambda evidence: -(evidence.value or 0.0))


def _evidence(estimates: pl.DataFrame, gate: Gate) -> list[_Evidence]:
    against = pl.col("against")
    rows = estimates.filter(against.is_null() if gate.against == "absolute" else against == gate.against)
    return [
        _Evidence(
            value=row["value"],
            low=row["low"],
            high=row["high"],
            rows=row["rows"],
            positives=row["positives"],
            slice="=".join(part for part in (row["slice"], row["group"]) if part) or None,
            is_enough=row["is_enough"],
        )
        for row in rows.to_dicts()
    ]
