"""What a request that cannot be answered gets."""

import msgspec
import pytest

from mlops_assets.core.errors import OnlineStoreError
from serving.http_errors import Problem, RefusedRequestError, refused, without_places
from serving.limits import MAXIMUM_PROBLEMS, MAXIMUM_TEXT
from serving.store_breaker import StorePausedError


@pytest.mark.parametrize(("may_be_done", "said"), [(False, "nothing was recorded"), (True, "may have been")])
def test_a_refusal_says_whether_something_may_have_been_recorded(may_be_done: bool, said: str) -> None:
    answer = refused(OnlineStoreError("no answer in time", may_be_done=may_be_done))
    assert answer.status == 503
    assert said in answer.refusal.message


SAID = "online store /var/lib/mlops/online/x.sqlite: disk I/O error (SQLITE_IOERR) at redis://me:secret@host:6379/0"


def test_what_a_store_said_of_itself_stays_in_the_log() -> None:
    message = refused(OnlineStoreError(SAID)).refusal.message
    assert not any(told in message for told in ("/var", "redis", "SQLITE", "secret"))


def test_a_store_that_is_not_asked_for_a_moment_is_told_from_one_that_was() -> None:
    message = refused(StorePausedError(SAID)).refusal.message
    assert "it is asked again within 1 s" in message
    assert "/var" not in message


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (SAID, "online store …: disk I/O error (SQLITE_IOERR) at …"),
        ("the model in /srv/models/ab12 has digest 3f", "the model in … has digest 3f"),
        ("'/srv/a b'", "'… b'"),
        ("see ~/.mlops/x.", "see …."),
        (r"in C:\mlops\x", "in …"),
        ("http://mlflow:5000/api gave 500", "… gave 500"),
        ("materialize fraud_detection/online_features", "materialize fraud_detection/online_features"),
        ("1/2 of the rows, and and/or", "1/2 of the rows, and and/or"),
    ],
)
def test_places_are_left_out_of_what_people_are_shown(text: str, shown: str) -> None:
    assert without_places(text) == shown


def test_what_was_sent_is_quoted_only_so_far_as_an_answer_can_carry_it() -> None:
    refusal = RefusedRequestError(
        400, "a" * 10**6, [Problem("\ud800", field="\udfff" * 10**6)] * 10**4
    ).refusal
    assert len(msgspec.json.encode(refusal)) < 20 * 8 * MAXIMUM_TEXT
    assert (refusal.problems[0].message, len(refusal.problems)) == ("?", MAXIMUM_PROBLEMS)
