"""Shows the judgement on the canary that stands."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from mlops_assets.catalogue import load_product
from mlops_assets.core.canary.evidence import read_reference
from mlops_assets.core.canary.judge import Answer
from mlops_assets.core.canary.standing import StandingCanary, find_canary, judge_standing
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.online_store.opening import open_online_store
from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.core.settings import Settings

_COLOURS = {"harm": "red", "suspicious": "yellow", "within margin": "green", "open": "default"}


@dataclass(frozen=True)
class JudgedProduct:
    """A product and the canary that stands, if one does."""

    product: str
    standing: StandingCanary | None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; an open end of an interval is null."""
        if self.standing is None:
            return {"product": self.product, "canary": None, "action": None, "reason": "no canary stands"}
        canary, judgement = self.standing.canary, self.standing.judgement
        rows = judgement.evidence.to_dicts()
        return {
            "product": self.product,
            "canary": {
                "champion": canary.champion,
                "challenger": canary.challenger,
                "percent": canary.step.percent,
                "plan_sequence": canary.step.sequence,
                "since": canary.step.since.isoformat(),
            },
            "action": judgement.action,
            "reason": judgement.reason,
            "requests": judgement.requests,
            "evidence": [
                row
                | {
                    "odds_ratio_high": None
                    if row["odds_ratio_high"] == float("inf")
                    else row["odds_ratio_high"]
                }
                for row in rows
            ],
            "not_asked": self.standing.not_asked,
        }


def judge_product(settings: Settings, name: str, *, now: datetime) -> JudgedProduct:
    """Judge the product's canary on what is known at `now`; nothing is changed.

    Raises: RegistryError when there is no registry yet. OnlineStoreError when the store does not answer.
    """
    spec = load_product(name).spec
    tables, control = DeltaTables(settings.tables_uri), ReleaseControl.of(settings)
    canary = find_canary(name, control)
    if canary is None:
        return JudgedProduct(name, None)
    store = open_online_store(settings.online_store, name)
    try:
        reference = read_reference(spec, canary, tables=tables, control=control, store=store)
        standing = judge_standing(spec, canary, reference=reference, tables=tables, store=store, now=now)
    finally:
        store.close()
    return JudgedProduct(name, standing)


def print_judged(judged: JudgedProduct, *, console: Console) -> None:
    """Print the evidence, one row per question, and the judgement."""
    if judged.standing is None:
        console.print(f"{judged.product}: no canary stands; `mlops release` starts one", highlight=False)
        return
    canary, judgement = judged.standing.canary, judged.standing.judgement
    table = Table(
        "question",
        "verdict",
        "challenger",
        "champion",
        "odds ratio",
        "margin",
        "evidence / limit",
        title=f"{judged.product}: version {canary.challenger} beside {canary.champion}, plan {canary.step.sequence}",
        title_justify="left",
    )
    for answer in judgement.answers:
        table.add_row(*_cells(answer))
    console.print(table)
    for topic, why in judged.standing.not_asked.items():
        console.print(f"not asked: {topic}, since {why}", highlight=False, soft_wrap=True)
    console.print(
        f"[bold]{judgement.action.replace('_', ' ')}[/]: {judgement.reason}", highlight=False, soft_wrap=True
    )


def write_plot(judged: JudgedProduct, path: Path) -> None:
    """Write the picture of the evidence as PNG; nothing without a canary."""
    from mlops_assets.core.canary.plots import evidence_plot
    from mlops_assets.core.plots.style import to_png

    if judged.standing is None:
        return
    canary, judgement = judged.standing.canary, judged.standing.judgement
    title = f"Evidence against version {canary.challenger} of {judged.product}"
    path.write_bytes(to_png(evidence_plot(judgement, title=title)))


def _cells(answer: Answer) -> tuple[str, ...]:
    question = answer.question
    low, high = (f"{end:.3g}" for end in (answer.ratio_low, answer.ratio_high))
    colour = _COLOURS[answer.verdict]
    return (
        question.name,
        f"[{colour}]{answer.verdict}[/]",
        _share(answer.challenger_share, answer.challenger_requests),
        _share(answer.champion_share, answer.champion_requests),
        f"{low} to {high.replace('inf', '∞')}",
        f"{'<' if question.direction == 'more' else '>'} {question.limit:.3g}",
        f"{answer.evidence:.3g} / {answer.evidence_limit:.0f}",
    )


def _share(share: float | None, requests: int) -> str:
    return "–" if share is None else f"{share:.3%} of {requests:,}"
