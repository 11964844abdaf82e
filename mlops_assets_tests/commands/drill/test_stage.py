"""What a drill looks at: records beside answers, vectors beside the offline ones."""

import msgspec
import pytest

from mlops_assets.commands.drill.stage import Stage, missing_and_repeated, parity_of
from mlops_assets_tests.support.drill_answers import answer, record

pytestmark = pytest.mark.rehearsal


def test_a_vector_that_the_state_did_not_give_is_seen(stage: Stage) -> None:
    """Whichever version answered, also one that a drill added."""
    added = stage.home.add_version(stage.home.models[0])
    assert stage.home.model_of(added).digest == stage.home.models[0].digest
    with stage.load() as load:
        load.wait_for(lambda answers: len(answers) >= 5, seconds=120)
        stage.put(added, "blue_green")
        load.wait_for(lambda answers: any(a.is_answered and a.version == added for a in answers), seconds=120)
    stage.settle(1)
    records = [record for record in stage.home.captured() if record.error is None]
    assert parity_of(stage.home, records).is_equal
    first = records[0]
    wrong = msgspec.structs.replace(first, features=(*first.features[:-1], 12345.0))
    assert parity_of(stage.home, [wrong, *records[1:]]).different == 1


def test_an_acknowledged_prediction_without_a_record_or_with_two_is_seen() -> None:
    answers = [answer(1), answer(2), answer(3), answer(4, tries=2), answer(5, status=503)]
    records = [record(1), record(2), record(2), record(4), record(4), record(9)]
    assert missing_and_repeated(answers, records) == (1, 1)
