"""Pictures of an evaluation: drawn, the same each time, and of whatever an evaluation can hold."""

import io
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from PIL import Image

from mlops_assets.core.evaluation import plots as evaluation_plots
from mlops_assets.core.evaluation.contenders import Contender
from mlops_assets.core.evaluation.result import EvaluationResult
from mlops_assets.core.plots import overview as plots
from mlops_assets.core.product_spec import Cost
from mlops_assets_tests.support.evaluated import EVALUATION, evaluated, simulated_contenders, simulated_rows

LARGEST_BYTES = 60_000


def check_picture(png: bytes) -> None:
    """It is a small PNG of the platform's width on which something is drawn."""
    assert len(png) < LARGEST_BYTES
    picture = Image.open(io.BytesIO(png))
    assert (picture.format, picture.width) == ("PNG", 630)
    assert len(picture.convert("RGB").getcolors(maxcolors=100_000) or []) > 20


@pytest.fixture(scope="module")
def result() -> EvaluationResult:
    return evaluated()


EVALUATION_PLOTS = (
    evaluation_plots.reliability_diagram,
    evaluation_plots.precision_recall_curves,
    evaluation_plots.roc_curves,
    evaluation_plots.differences_forest,
    evaluation_plots.slices_forest,
    evaluation_plots.cost_by_threshold,
)


@pytest.mark.parametrize("plot", EVALUATION_PLOTS)
def test_an_evaluation_is_drawn_the_same_way_each_time(plot, result):
    check_picture(plot(result))
    assert plot(result) == plot(result)


@pytest.mark.parametrize("plot", EVALUATION_PLOTS)
def test_another_evaluation_gives_another_picture(plot, result):
    assert plot(evaluated(simulated_rows(seed=5))) != plot(result)


@pytest.mark.parametrize("plot", EVALUATION_PLOTS)
def test_a_candidate_alone_that_flags_nothing_is_drawn(plot):
    rows = simulated_rows(300)
    constant = [Contender("candidate", np.full(300, 0.1))]
    costly = EVALUATION.model_copy(update={"cost": Cost(false_positive=1, false_negative=0), "slices": ()})
    check_picture(plot(evaluated(rows, constant, evaluation=costly)))


def test_rare_outcomes_and_impossible_predictions_are_drawn():
    rows = simulated_rows(4000)
    rare = rows.with_columns(
        (pl.col("died") * (pl.int_range(pl.len()) % 50 == 0)).cast(pl.Int8).alias("died")
    )
    scores = np.where(rows["probability"] < 0.3, 0.0, rows["probability"] / 50)
    check_picture(evaluation_plots.reliability_diagram(evaluated(rare, [Contender("candidate", scores)])))
    tiny = [Contender("candidate", rows["probability"].to_numpy() ** 3 / 50)]
    check_picture(evaluation_plots.reliability_diagram(evaluated(rare, tiny)))


def test_a_metric_of_choice_is_drawn(result):
    brier = evaluation_plots.slices_forest(result, metric="brier")
    check_picture(brier)
    assert brier != evaluation_plots.slices_forest(result)
    check_picture(evaluation_plots.differences_forest(result, metric="brier"))


def test_scores_are_drawn_by_outcome():
    rows = simulated_rows()
    labels, scores = rows["died"].to_numpy(), simulated_contenders(rows)[0].scores
    check_picture(evaluation_plots.scores_by_label(labels, scores))
    check_picture(evaluation_plots.scores_by_label(np.zeros(3, dtype=np.int8), np.array([0.0, 0.5, 1.0])))


def test_dollars_in_names_are_no_formula(result):
    """Matplotlib would set `$11-$25k` in italics, and fail on what is no formula."""
    named = result.estimates.with_columns(group=pl.lit("$x_{$") + pl.col("group"))
    check_picture(evaluation_plots.slices_forest(replace(result, estimates=named)))
    summary = pl.DataFrame({"column": ["income"], "check": ["isin(['$11-$25k', '$x_{$'])"], "rows": [7]})
    check_picture(plots.rejection_reasons(summary, rows=100))
