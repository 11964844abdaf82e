"""The score of one arm: its own features in, a probability out, or a reason that people can read."""

import pytest

from mlops_assets.core.errors import PackagingError
from mlops_assets.core.serving.arm_scores import failure_text, score_by
from mlops_assets_tests.support.homes.product_bento import sampled_product
from mlops_assets_tests.support.scored_requests import arms_of


def test_an_arm_scores_its_own_features_and_a_score_that_is_no_probability_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arm = arms_of(sampled_product("fraud_detection")).champion
    features = [None] * len(arm.model.feature_names)
    vector, score = score_by(arm, features)
    assert len(vector) == len(arm.model.feature_names)
    assert 0.0 <= score <= 1.0
    monkeypatch.setattr(arm, "score", lambda _: float("nan"))
    with pytest.raises(PackagingError, match="no probability"):
        score_by(arm, features)


def test_a_failure_names_the_kind_of_an_error_that_is_not_the_platforms() -> None:
    assert failure_text(PackagingError("broken")) == "broken"
    assert failure_text(ZeroDivisionError("by zero")) == "ZeroDivisionError: by zero"
