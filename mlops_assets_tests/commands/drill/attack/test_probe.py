"""The prober: every answer with its time and status, and none where nobody answers."""

import time

import pytest

from mlops_assets.commands.drill.attack.probe import PATHS, probing
from mlops_assets.commands.drill.stage import Stage


@pytest.mark.rehearsal
def test_each_answer_is_reported_with_its_time(stage: Stage) -> None:
    with probing(stage.url) as probe:
        time.sleep(0.5)
        middle = time.monotonic()
        time.sleep(0.5)
    for path in PATHS:
        answers = probe.since(0.0, path)
        assert len(answers) > 3
        assert {one.status for one in answers} == {200}
        assert all(0.0 < one.seconds < 30.0 for one in answers)
        assert 0 < len(probe.since(middle, path)) < len(answers)


def test_a_server_that_is_away_gives_no_status() -> None:
    with probing("http://127.0.0.1:9") as probe:
        time.sleep(0.1)
    assert {one.status for one in probe.answers} == {0}
