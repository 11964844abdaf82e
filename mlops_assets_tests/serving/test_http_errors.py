"""What a request that cannot be answered gets."""

import pytest

from mlops_assets.core.errors import OnlineStoreError
from serving.http_errors import refused


@pytest.mark.parametrize(("may_be_done", "said"), [(False, "nothing was recorded"), (True, "may have been")])
def test_a_refusal_says_whether_something_may_have_been_recorded(may_be_done: bool, said: str) -> None:
    answer = refused(OnlineStoreError("no answer in time", may_be_done=may_be_done))
    assert answer.status == 503
    assert said in answer.refusal.message
