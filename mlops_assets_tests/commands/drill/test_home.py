"""The home of drills: versions that may be released, and requests that its state can answer."""

import itertools
from datetime import datetime

import pytest

from mlops_assets.commands.drill.home import ENTITIES, FIRST_ID, PRODUCT, ROUNDS
from mlops_assets.commands.drill.stage import Stage
from mlops_assets.core.registry.registry import ModelRegistry

pytestmark = pytest.mark.rehearsal


def test_every_version_differs_and_passed_its_gate(stage: Stage) -> None:
    home = stage.home
    made = ModelRegistry(home.settings.tracking_uri).versions(PRODUCT)
    versions = made[: len(ROUNDS)]  # drills may have added others
    assert [version.version for version in versions] == list(range(1, len(ROUNDS) + 1))
    assert len({version.digest for version in versions}) == len(ROUNDS)
    assert [version.digest for version in versions] == [model.digest for model in home.models]
    assert all(verdict.verdict == "pass" for version in versions for verdict in version.verdicts)


def test_requests_are_new_events_a_second_apart_from_where_the_state_ends(stage: Stage) -> None:
    first, *others = itertools.islice(stage.home.requests(), 50)
    assert (first["transaction_id"], datetime.fromisoformat(str(first["event_timestamp"]))) == (
        FIRST_ID,
        stage.home.as_of,
    )
    times = [datetime.fromisoformat(str(event["event_timestamp"])) for event in (first, *others)]
    assert {(later - earlier).total_seconds() for earlier, later in itertools.pairwise(times)} == {1.0}
    assert all(0 <= int(str(event["customer_id"])) < ENTITIES for event in others)
    assert next(stage.home.requests()) == first


def test_everything_lies_below_its_folder(stage: Stage) -> None:
    home = stage.home
    assert home.registry_file.is_file()
    assert home.store_file.is_file()
    assert home.bento.path.is_relative_to(home.root)
