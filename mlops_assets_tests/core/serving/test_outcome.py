"""What is captured of a request: each answer, and each failure of an arm."""

from mlops_assets.core.errors import InvalidEventError
from mlops_assets.core.serving.outcome import ScoredEvent, UnansweredError, captured_of
from mlops_assets_tests.support.captured import captured_record


def test_answers_and_failures_are_captured_and_a_wrong_request_leaves_nothing() -> None:
    answer, failure = captured_record(1), captured_record(2, error="broken")
    assert list(captured_of([ScoredEvent(answer, ()), ScoredEvent(answer, (), failure)])) == [
        answer,
        answer,
        failure,
    ]
    assert list(captured_of(UnansweredError("no", failures=[failure]))) == [failure]
    assert list(captured_of(InvalidEventError("wrong"))) == []
