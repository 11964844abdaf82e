import io
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from PIL import Image

from mlops_assets.core.evaluation import plots as evaluation_plots
from mlops_assets.core.evaluation.contenders import Contender
from mlops_assets.core.evaluation.result import EvaluationResult
from mlops_assets.core.plots import overview as plots
from mlops_assets.core.product_spec import Cost
from mlops_assets.core.training import plots as training_plots
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


def days(count: int) -> list[date]:
    return [date(2018, 4, 1) + timedelta(days=k) for k in range(count)]


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


def test_rows_per_day_are_drawn_with_and_without_rejected_ones():
    counts = pl.DataFrame({"event_date": days(30), "rows": range(100, 130)})
    alone = plots.rows_per_day(counts)
    check_picture(alone)
    rejected = plots.rows_per_day(counts.with_columns(pl.lit(5).alias("rejected")))
    check_picture(rejected)
    assert alone != rejected
    check_picture(plots.rows_per_day(counts.head(1)))
    check_picture(plots.rows_per_day(counts.clear()))


def test_dollars_in_names_are_no_formula(result):
    """Matplotlib would set `$11-$25k` in italics, and fail on what is no formula."""
    named = result.estimates.with_columns(group=pl.lit("$x_{$") + pl.col("group"))
    check_picture(evaluation_plots.slices_forest(replace(result, estimates=named)))
    summary = pl.DataFrame({"column": ["income"], "check": ["isin(['$11-$25k', '$x_{$'])"], "rows": [7]})
    check_picture(plots.rejection_reasons(summary, rows=100))


def test_reasons_of_rejection_are_drawn():
    summary = pl.DataFrame(
        {"column": ["amount", ""], "check": ["in_range(0, 10000)", "unique"], "rows": [7, 2]}
    )
    check_picture(plots.rejection_reasons(summary, rows=100))
    check_picture(plots.rejection_reasons(summary.clear(), rows=100))


def test_features_of_every_kind_are_drawn():
    generator = np.random.default_rng(0)
    features = pl.DataFrame(
        {
            "amount": generator.exponential(50, 500),
            "is_night": pl.Series(generator.integers(0, 2, 500), dtype=pl.Int8),
            "constant": np.ones(500),
            "never_known": pl.Series([None] * 500, dtype=pl.Float64),
            "a_name_that_is_far_too_long_for_its_place": generator.normal(size=500),
        }
    )
    check_picture(plots.feature_histograms(features))
    check_picture(plots.feature_histograms(features.clear()))
    check_picture(
        plots.feature_histograms(pl.DataFrame({f"f{k}": generator.normal(size=50) for k in range(40)}))
    )


def test_drift_is_drawn_also_when_no_column_was_judged():
    columns = pl.DataFrame({"column": ["amount", "score", "sex"], "psi": [0.5, 0.01, None]})
    found = plots.drift_scores(columns, threshold=0.2, rows=1000)
    check_picture(found)
    assert plots.drift_scores(columns, threshold=0.6, rows=1000) != found
    check_picture(
        plots.drift_scores(columns.with_columns(pl.lit(None, pl.Float64).alias("psi")), threshold=0.2, rows=0)
    )


def test_a_metric_over_time_is_drawn_with_gaps_and_without_values():
    windows = pl.DataFrame(
        {
            "window_end": days(4),
            "value": [0.7, None, 0.6, 0.65],
            "low": [0.6, None, None, 0.6],
            "high": [0.8, None, None, 0.7],
            "rows": [100, 0, 50, 80],
        }
    )
    check_picture(plots.metric_over_time(windows, metric="auc", reference=0.72, limit=0.67))
    check_picture(plots.metric_over_time(windows.clear(), metric="auc"))


def test_score_distributions_are_drawn_also_of_an_empty_window():
    scores = simulated_rows()["probability"]
    check_picture(plots.score_distribution(scores, scores.head(100)))
    check_picture(plots.score_distribution(scores, scores.clear()))
    check_picture(plots.score_distribution(scores.clear(), scores.clear()))


def test_boosting_and_tuning_are_drawn():
    check_picture(
        training_plots.validation_curve([0.5, 0.4, 0.41], metric="binary_logloss", best_iteration=2)
    )
    check_picture(training_plots.validation_curve([0.5], metric="auc", best_iteration=1))
    trials = pl.DataFrame({"trial": [0, 1, 2], "value": [0.6, None, 0.7]})
    higher = training_plots.tuning_trials(trials, metric="auc", is_higher_better=True)
    check_picture(higher)
    assert higher != training_plots.tuning_trials(trials, metric="auc", is_higher_better=False)
    check_picture(training_plots.tuning_trials(trials.head(1), metric="auc", is_higher_better=True))


def test_contributions_are_drawn():
    generator = np.random.default_rng(0)
    names = [f"feature_{k}" for k in range(25)]
    features = pl.DataFrame({name: generator.normal(size=3000).round(1) for name in names})
    features = features.with_columns(pl.when(pl.col("feature_3") > 0).then("feature_3"))
    contributions = features.fill_null(0.0).with_columns(pl.lit(-2.0).alias("bias"))
    check_picture(training_plots.importance_bars(contributions))
    check_picture(training_plots.contribution_summary(contributions, features))
    nothing = contributions.select(pl.all() * 0.0).head(2)
    check_picture(training_plots.importance_bars(nothing))
    check_picture(training_plots.contribution_summary(nothing, features.head(2)))
