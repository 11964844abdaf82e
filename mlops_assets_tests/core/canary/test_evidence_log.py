"""The evidence of canaries as it is kept, on a real table."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mlops_assets.core.canary.canary import Step
from mlops_assets.core.canary.evidence_log import TABLE, is_open, log_judgement, newest_judgement
from mlops_assets.core.canary.judge import Judgement, judge
from mlops_assets.core.canary.questions import Reference
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.product_spec import CanaryJudge, Cost
from mlops_assets_tests.support.canary_rows import CANARY, NOW, observed

LATER = replace(CANARY, steps=(*CANARY.steps, Step(8, 60, NOW)))
NEXT = replace(CANARY, challenger=3, steps=(Step(12, 50, NOW),))


@pytest.fixture
def tables(tmp_path: Path) -> DeltaTables:
    return DeltaTables(str(tmp_path))


def judgement(**rates: tuple[float, float]) -> Judgement:
    return judge(
        observed(**rates),  # type: ignore[arg-type]
        canary=CANARY,
        reference=Reference(),
        policy=CanaryJudge(),
        cost=Cost(false_positive=5, false_negative=100),
        now=NOW,
    )


GOOD = judgement()
BAD = judgement(errors=(0.002, 0.03))


def log(tables: DeltaTables, found: Judgement, minute: int, *, canary=CANARY, is_final: bool = False) -> bool:
    return log_judgement(tables, canary, found, at=at(minute), is_final=is_final)


def at(minute: int) -> datetime:
    return NOW + timedelta(minutes=minute)


def test_a_judgement_is_appended_when_it_changes_and_once(tables: DeltaTables) -> None:
    assert [log(tables, GOOD, 0), log(tables, GOOD, 1), log(tables, BAD, 2), log(tables, BAD, 3)] == [
        True,
        False,
        True,
        False,
    ]
    assert log(tables, BAD, 4, canary=LATER)
    rows = tables.read("fraud_detection", TABLE).sort("at", "question")
    assert rows.select("question", "verdict", "action", "plan_sequence").rows() == [
        ("error", "open", "advance", 7),
        ("loss", "open", "advance", 7),
        ("error", "harm", "roll_back", 7),
        ("loss", "open", "roll_back", 7),
        ("error", "harm", "roll_back", 8),
        ("loss", "open", "roll_back", 8),
    ]
    assert rows["evidence"][2] >= rows["evidence_limit"][2]


def test_after_its_end_a_canary_is_judged_once_more_and_never_again(tables: DeltaTables) -> None:
    assert not is_open(tables, CANARY)
    log(tables, GOOD, 0)
    assert is_open(tables, CANARY)
    assert log(tables, GOOD, 1, is_final=True)
    assert not is_open(tables, CANARY)
    assert not log(tables, BAD, 2, is_final=True)
    newest = newest_judgement(tables, "fraud_detection")
    assert newest is not None
    assert newest["at"].unique().to_list() == [at(1)]


def test_each_canary_has_its_own_judgements(tables: DeltaTables) -> None:
    log(tables, GOOD, 0)
    log(tables, GOOD, 1, canary=NEXT)
    first, newest = (newest_judgement(tables, "fraud_detection", canary=one) for one in (CANARY, None))
    assert first is not None
    assert newest is not None
    assert (first["challenger"].unique().to_list(), newest["challenger"].unique().to_list()) == ([2], [3])
