import numpy as np
import polars as pl
import pytest

from mlops_assets.core.errors import EvaluationError
from mlops_assets.core.evaluation.contenders import Contender, check_contenders, check_labels

GOOD = Contender("candidate", np.array([0.1, 0.9]))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (pl.DataFrame({"other": [1]}), "no label column 'died'; they have other"),
        (pl.DataFrame({"died": pl.Series([], dtype=pl.Int8)}), "no test rows"),
        (pl.DataFrame({"died": [0, 1, None]}), "1 of 3 test rows are not 0 or 1, e.g. None"),
        (pl.DataFrame({"died": [0, 1, 2]}), "1 of 3 test rows are not 0 or 1, e.g. 2"),
        (pl.DataFrame({"died": [1, 1]}), "all 2 test rows are 1"),
    ],
)
def test_labels_that_cannot_be_judged_are_refused(rows, message):
    with pytest.raises(EvaluationError, match=message):
        check_labels(rows, "died")


@pytest.mark.parametrize(
    ("contenders", "message"),
    [
        ([], "at least a candidate"),
        ([GOOD, GOOD], "distinct names"),
        ([Contender("candidate", np.array([0.1]))], r"candidate: \(1,\) scores for 2 test rows"),
        (
            [GOOD, Contender("physicians", np.full(2, np.nan))],
            "physicians has no prediction for any test row",
        ),
        (
            [GOOD, Contender("amount", np.array([np.inf, 1.0]), is_probability=False)],
            "1 of 2 scores are infinite",
        ),
        (
            [GOOD, Contender("amount", np.array([0.5, 3.0]))],
            r"amount: .* not probabilities.*e.g. 3.0 in row 1",
        ),
        ([Contender("candidate", np.array([0.5, np.nan]))], "the candidate predicts every row"),
        ([Contender("candidate", np.array([0.5, 0.1]), is_probability=False)], "must give probabilities"),
    ],
)
def test_scores_that_are_not_what_they_claim_are_refused(contenders, message):
    with pytest.raises(EvaluationError, match=message):
        check_contenders(contenders, rows=2)


def test_missing_scores_of_others_and_scores_that_only_rank_are_accepted():
    others = [
        Contender("physicians", np.array([np.nan, 0.3])),
        Contender("amount", np.array([-5.0, 900.0]), is_probability=False),
    ]
    check_contenders([GOOD, *others], rows=2)
    assert others[0].known_rows.tolist() == [1]
