"""The picture of a canary: how the evidence of harm has grown, question by question."""

from typing import TYPE_CHECKING

import numpy as np

from mlops_assets.core.canary.judge import Answer, Judgement
from mlops_assets.core.plots.style import GREY, LINE_STYLES, PALETTE, VERMILION, legend, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = 8
"""Questions with a line of their own: those with the most evidence."""


def evidence_plot(judgement: Judgement, *, title: str) -> "Figure":
    """Draw the evidence of each question over time, as a share of what a rollback takes, on a logarithmic scale.

    0 is no evidence, 1 the limit. Falling lines speak for the challenger.
    """
    asked = [answer for answer in judgement.answers if answer.path]
    strongest = sorted(asked, key=_share, reverse=True)[:SHOWN]
    figure, (axes,) = new_figure(
        title, f"{judgement.action.replace('_', ' ')} · logarithm of the evidence / its limit"
    )
    for number, answer in enumerate(strongest):
        axes.plot(
            [at for at, _ in answer.path],  # type: ignore[arg-type]
            [log_e / np.log(answer.evidence_limit) for _, log_e in answer.path],
            color=PALETTE[number % len(PALETTE)],
            linestyle=LINE_STYLES[number // 2 % len(LINE_STYLES)],
            drawstyle="steps-post",
            label=answer.question.name,
        )
    axes.axhline(1.0, color=VERMILION, linewidth=1.2)
    axes.axhline(0.0, color=GREY, linewidth=0.8)
    axes.set(xlabel="time of the request or outcome (UTC)", ylabel="share of the evidence for a rollback")
    axes.set_ylim(-1.5, max(1.2, *(1.05 * _share(answer) for answer in strongest), 1.2))
    axes.tick_params(axis="x", rotation=20)
    if strongest:
        legend(axes, loc="lower left", ncols=2)
    return figure


def _share(answer: Answer) -> float:
    return float(np.log(answer.evidence) / np.log(answer.evidence_limit))
