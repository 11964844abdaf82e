"""Shows the judgement on the canary that stands, or the last one on a canary that has ended."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import polars.selectors as cs
from rich.console import Console
from rich.table import Table

from mlops_assets.catalogue import load_product
from mlops_assets.commands.plain_text import plain
from mlops_assets.core.canary.canary import Canary
from mlops_assets.core.canary.evidence import read_reference
from mlops_assets.core.canary.evidence_log import is_open, log_judgement, newest_judgement
from mlops_assets.core.canary.judge import Answer
from mlops_assets.core.canary.standing import (
    StandingCanary,
    find_canary,
    find_ended_canary,
    judge_standing,
)
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.online_store.opening import open_online_store
from mlops_assets.core.product_spec import ProductSpec
from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.core.settings import Settings

_COLOURS = {"harm": "red", "suspicious": "yellow", "within margin": "green", "open": "default"}


@dataclass(frozen=True)
class JudgedProduct:
    """A product and the canary that stands, if one does."""

    product: str
    standing: StandingCanary | None
    last: pl.DataFrame | None = None
    """Rows of `canary_evidence`, where no canary stands: the newest judgement on the one that ended last."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; an open end of an interval is null."""
        if self.standing is None:
            none = {"product": self.product, "canary": None, "action": None, "reason": "no canary stands"}
            return none if self.last is None else none | {"last_judgement": _plain(self.last)}
        canary, judgement = self.standing.canary, self.standing.judgement
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
            "evidence": _plain(judgement.evidence),
            "not_asked": self.standing.not_asked,
        }


def judge_product(settings: Settings, name: str, *, now: datetime) -> JudgedProduct:
    """Judge the product's canary on what is known at `now`, and note the judgement in `canary_evidence` if it changed.

    Where none stands, the one that ended last is judged for a last time, unless it was, or was never judged before.

    Raises: RegistryError when there is no registry yet. OnlineStoreError when the store does not answer.
    """
    spec = load_product(name).spec
    tables, control = DeltaTables(settings.tables_uri), ReleaseControl.of(settings)
    canary = find_canary(name, control)
    if canary is not None:
        return JudgedProduct(name, _judged(spec, canary, settings, now=now, is_final=False))
    ended = find_ended_canary(name, control)
    if ended is not None and is_open(tables, ended):
        _judged(spec, ended, settings, now=now, is_final=True)
    return JudgedProduct(name, None, newest_judgement(tables, name))


def _judged(
    spec: ProductSpec, canary: Canary, settings: Settings, *, now: datetime, is_final: bool
) -> StandingCanary:
    tables, control = DeltaTables(settings.tables_uri), ReleaseControl.of(settings)
    store = open_online_store(settings.online_store, spec.name)
    try:
        reference = read_reference(spec, canary, tables=tables, control=control, store=store)
        standing = judge_standing(spec, canary, reference=reference, tables=tables, store=store, now=now)
    finally:
        store.close()
    log_judgement(tables, canary, standing.judgement, at=now, is_final=is_final)
    return standing


def print_judged(judged: JudgedProduct, *, console: Console) -> None:
    """Print the evidence, one row per question, and the judgement."""
    if judged.standing is None:
        console.print(f"{judged.product}: no canary stands; `mlops release` starts one", highlight=False)
        if judged.last is not None:
            _print_last(judged.last, console=console)
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
        console.print(f"not asked: {topic}, since {plain(why)}", highlight=False, soft_wrap=True)
    console.print(
        f"[bold]{judgement.action.replace('_', ' ')}[/]: {plain(judgement.reason)}",
        highlight=False,
        soft_wrap=True,
    )


def _print_last(rows: pl.DataFrame, *, console: Console) -> None:
    first = rows.row(0, named=True)
    table = Table(
        "question",
        "verdict",
        "challenger",
        "champion",
        "odds ratio",
        "evidence / limit",
        title=f"the last judgement: version {first['challenger']} beside {first['champion']}, "
        f"plan {first['plan_sequence']}, {first['at']:%Y-%m-%d %H:%M} UTC",
        title_justify="left",
    )
    for row in rows.iter_rows(named=True):
        table.add_row(
            row["question"],
            f"[{_COLOURS[row['verdict']]}]{row['verdict']}[/]",
            _share(row["challenger_share"], row["challenger_requests"]),
            _share(row["champion_share"], row["champion_requests"]),
            f"{row['odds_ratio_low']:.3g} to {row['odds_ratio_high']:.3g}".replace("inf", "∞"),
            f"{row['evidence']:.3g} / {row['evidence_limit']:.0f}",
        )
    console.print(table)
    console.print(
        f"[bold]{first['action'].replace('_', ' ')}[/]: {plain(first['reason'])}",
        highlight=False,
        soft_wrap=True,
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


def _plain(evidence: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON has them: an open end of an interval is null, times are text."""
    high = pl.col("odds_ratio_high")
    rows = evidence.with_columns(pl.when(high.is_finite()).then(high), cs.temporal().cast(pl.String))
    return rows.to_dicts()


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
