"""The benchmark of changes at a small size: equal homes are found equal, and a forgotten input is found."""

import pytest

from benchmarks.changes.__main__ import Course
from benchmarks.changes.sequences import BACK, CHANGES, DELETED, Step, sequences
from mlops_assets.assets import release
from mlops_assets.assets.support import recorded_reads

STRICT = Step("a strict gate", {"gates": "strict"})


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    return Course(tmp_path_factory.mktemp("changes"))


@pytest.mark.rehearsal
def test_a_home_whose_change_is_taken_back_decides_as_a_fresh_one(course: Course) -> None:
    assert course.play(1, [STRICT, BACK]) == ([], {})


@pytest.mark.rehearsal
def test_a_declaration_that_is_forgotten_leads_to_differences(
    course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (recorded_reads, release):
        monkeypatch.setattr(module, "declared_digest", lambda _value: "the same")
    told, _ = course.play(2, [STRICT, BACK])
    assert any(difference.startswith("verdicts: (('limit', 'fail'),)") for difference in told), told


@pytest.mark.rehearsal
def test_inputs_that_are_never_the_same_lead_to_needless_recomputations(
    course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = iter(range(1_000_000))
    with monkeypatch.context() as patched:
        patched.setattr(recorded_reads, "frame_digest", lambda _frame: str(next(digests)))
        told, needless = course.play(3, [Step("nothing")])
    assert not told
    assert set(needless) == {"tune", "fit", "_evaluate"}


def test_every_kind_of_change_is_played_alone_before_mixtures_are_drawn() -> None:
    played = sequences(40, seed=0)
    alone = {steps[0].name for steps in played if len(steps) == 2 and steps[1] is BACK}
    assert alone >= {name for name, _ in CHANGES}
    assert sum(any(step.deletes for step in steps) for steps in played) >= len(DELETED)
    assert sum(any(step.elsewhere for step in steps) for steps in played) == 3
    assert played == sequences(40, seed=0) != sequences(40, seed=1)
    assert len(sequences(2, seed=0)) == 2
