"""Each commit of a table that an asset writes says what its rows are made from; so does a registered version."""

import pytest

from mlops_assets.components.model_product import product_definitions
from mlops_assets.core.identity.identity import Identity
from mlops_assets.core.online_store.opening import open_online_store
from mlops_assets.core.registry.tag_names import INPUTS_TAG, MADE_FROM_TAG
from mlops_assets.core.serving.prediction_record import encode_record
from mlops_assets_tests.support.captured import captured_record
from mlops_assets_tests.support.homes.small_home import FRAUD, LAST_DAY, SmallHome

BESIDE = {"evaluation": ("gate_verdicts",), "served_predictions": ("unreadable_predictions",)}
"""Tables that an asset writes beside its own."""
WITHOUT_TABLE = ("model_version",)
"""Its rows are the registry's versions."""


@pytest.fixture(scope="module")
def home(released_home: SmallHome, tmp_path_factory: pytest.TempPathFactory) -> SmallHome:
    """A home in which every asset was materialized."""
    home = released_home.copy(tmp_path_factory.mktemp("made_from") / "home")
    home.materialize("online_features")
    event = home.read("events").row(0, named=True)
    record = captured_record(
        event["transaction_id"], at=event["event_timestamp"], received_at=event["event_timestamp"]
    )
    store = open_online_store(home.settings.online_store, FRAUD)
    assert store.commit([], [encode_record(record), b"no record"])
    store.close()
    home.materialize("served_predictions")
    home.materialize("parity_report", "verdicts", days=LAST_DAY)
    return home


def nouns(home: SmallHome) -> list[str]:
    """All assets of the product."""
    assets = product_definitions(home.product).assets or ()
    return sorted(key.path[-1] for each in assets for key in each.keys)  # pyright: ignore[reportAttributeAccessIssue]


def test_every_commit_of_every_asset_says_what_it_is_made_from(home: SmallHome) -> None:
    silent: list[str] = []
    for noun in nouns(home):
        if noun in WITHOUT_TABLE:
            continue
        for table in (noun, *BESIDE.get(noun, ())):
            for commit in home.tables.history(FRAUD, table):
                made_from = Identity.read_json(str(commit["inputs"]))
                if made_from is None or not (made_from.read and made_from.libraries and made_from.code):
                    silent.append(f"{table} version {commit['version']}: {commit['inputs']}")
    assert silent == []


def test_running_again_restates_nothing(home: SmallHome) -> None:
    versions = []
    for _ in range(2):  # the first run looks at a day that was written as part of a month
        home.materialize("events", "rejected_events", "predictions", "drift_report", days=LAST_DAY)
        home.materialize("performance_report", "verdicts", days=LAST_DAY)
        versions.append(home.table_versions())
    assert versions[0] == versions[1]


def test_a_version_says_what_it_was_made_from(home: SmallHome) -> None:
    (version,) = home.registry.versions(FRAUD)
    assert version.tags[MADE_FROM_TAG] == home.registry.run_tags(version.run_id)[INPUTS_TAG]
    made_from = Identity.read_json(home.tables.last_commit_info(FRAUD, "model").inputs)
    assert made_from is not None
    assert version.tags[MADE_FROM_TAG] == made_from.digest
