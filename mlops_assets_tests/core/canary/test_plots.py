"""The picture of a canary: a line per question, as a share of the evidence that a rollback takes."""

import numpy as np
import pytest
from matplotlib import pyplot

from mlops_assets.core.canary.judge import Judgement, judge
from mlops_assets.core.canary.plots import SHOWN, evidence_plot
from mlops_assets.core.canary.questions import Reference
from mlops_assets.core.plots.style import to_png
from mlops_assets.core.product_spec import CanaryJudge, Cost
from mlops_assets_tests.support.canary_rows import CANARY, NOW, observed


def judgement(errors: tuple[float, float] = (0.002, 0.002), requests: int = 4_000) -> Judgement:
    return judge(
        observed(requests=requests, errors=errors, wrong=(0.1, 0.1)),
        canary=CANARY,
        reference=Reference(latency_limit_seconds=0.5),
        policy=CanaryJudge(),
        cost=Cost(false_positive=1, false_negative=2, unit="EUR"),
        now=NOW,
    )


@pytest.fixture(autouse=True)
def closed():
    yield
    pyplot.close("all")


def test_each_question_with_evidence_has_a_line_that_ends_at_its_share_of_the_limit() -> None:
    found = judgement()
    (axes,) = evidence_plot(found, title="a canary").axes
    lines = {line.get_label(): line for line in axes.get_lines() if not line.get_label().startswith("_")}
    asked = [answer for answer in found.answers if answer.path]
    assert set(lines) == {answer.question.name for answer in asked}
    assert len(asked) <= SHOWN
    for answer in asked:
        x, y = lines[answer.question.name].get_data()
        assert len(x) == len(answer.path)
        assert y[-1] == pytest.approx(answer.path[-1][1] / np.log(answer.evidence_limit))


def test_harm_crosses_the_limit_in_the_picture_and_a_harmless_canary_does_not() -> None:
    def highest(found: Judgement) -> float:
        (axes,) = evidence_plot(found, title="").axes
        named = [line for line in axes.get_lines() if not line.get_label().startswith("_")]
        return max(max(line.get_ydata()) for line in named)

    assert highest(judgement(errors=(0.002, 0.2))) > 1 > highest(judgement())


def test_a_canary_with_one_request_is_drawn_too() -> None:
    assert to_png(evidence_plot(judgement(requests=1), title="nothing yet")).startswith(b"\x89PNG")
