"""What the online executor answers to single events: bad ones, repeated ones, old ones, new entities, cohorts."""

from dataclasses import replace

import polars as pl
import pytest

from mlops_assets.core.errors import FeatureError, InvalidEventError, KnownEventError
from mlops_assets.core.features.expressions import col
from mlops_assets.core.features.offline.executor import compute_features
from mlops_assets.core.features.online.executor import OnlineFeatures
from mlops_assets.core.features.view import FeatureView, RowFeature
from mlops_assets.core.times import as_microseconds
from mlops_assets.products.fraud_detection.features import VIEW as FRAUD_VIEW
from mlops_assets.products.mortality_risk.features import VIEW as MORTALITY_VIEW
from mlops_assets_tests.support.features.online_world import FIRST, VALID, OnlineWorld, bits, served
from mlops_assets_tests.support.features.world import EPOCH, HOUR, TICK, VIEW, event


def test_an_event_updates_the_state_once_however_often_it_is_sent():
    world = OnlineWorld(VIEW)
    first = world.serve(FIRST)
    served(world, event(2, 1))
    states = dict(world.states)
    again = world.serve(replace(FIRST, known_at=EPOCH + 5 * HOUR))
    assert (again.states, again.known_at) == (None, first.known_at)
    assert bits(again.features) == bits(first.features)
    assert world.states == states
    assert served(world, event(3, 1.5))["count_2h"] == 3


@pytest.mark.parametrize(
    "change",
    [
        {"amount": 4.0},
        {"amount": None},
        {"customer": "b"},
        {"terminal": 8},
        {"terminal": None},
        {"event_timestamp": EPOCH + HOUR},
    ],
)
def test_another_event_under_a_known_id_is_refused(change):
    world = OnlineWorld(VIEW)
    served(world, FIRST)
    with pytest.raises(KnownEventError, match="id 1 is known") as error:
        world.serve(replace(FIRST, **change))
    assert error.value.field == "id"


@pytest.mark.parametrize(("ticks", "is_refused"), [(0, False), (-1, True)])
@pytest.mark.parametrize("customer", ["a", "new"])
def test_an_event_older_than_the_state_is_refused_for_known_and_for_new_entities(ticks, is_refused, customer):
    world = OnlineWorld(VIEW, lateness=HOUR)
    world.load([event(1, 9)], [], as_of=EPOCH + 10 * HOUR)
    old = event(2, 9, customer=customer, terminal=None)
    old = replace(old, event_timestamp=old.event_timestamp + ticks * TICK)
    if is_refused:
        with pytest.raises(InvalidEventError, match="lies before") as error:
            world.serve(old)
        assert error.value.field == "event_timestamp"
    else:
        world.serve(old)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount": "much"}, "amount"),
        ({"amount": float("inf")}, "amount"),
        ({"amount": 10**400}, "amount"),
        ({"amount": 1e300}, "amount"),
        ({"event_timestamp": None}, "event_timestamp"),
        ({"event_timestamp": 1.5}, "event_timestamp"),
        ({"event_timestamp": True}, "event_timestamp"),
        ({"event_timestamp": 2**62}, "event_timestamp"),
        ({"id": None}, "id"),
        ({"id": 1.0}, "id"),
        ({"id": 2**63}, "id"),
        ({"customer": "\ud800"}, "customer"),
        ({"customer": ["a"]}, "customer"),
        ({"terminal": 2**64}, "terminal"),
    ],
)
def test_a_bad_value_is_refused_by_its_field(change, field):
    features = OnlineFeatures(VIEW)
    with pytest.raises(InvalidEventError, match=field) as error:
        features.answer(VALID | change, [b""] * len(features.keys(VALID | change)), known_at=None)
    assert error.value.field == field


@pytest.mark.parametrize("column", [column for column in VIEW.input_columns if column != "known_at"])
def test_a_missing_column_is_refused_by_its_name(column):
    features = OnlineFeatures(VIEW)
    event = {name: value for name, value in VALID.items() if name != column}
    with pytest.raises(InvalidEventError, match=f"{column} is missing") as error:
        features.answer(event, [b"", b""], known_at=None)
    assert error.value.field == column


def test_an_id_of_another_type_than_before_is_refused():
    world = OnlineWorld(VIEW)
    served(world, FIRST)
    world.is_text_id = True
    with pytest.raises(InvalidEventError, match="another type"):
        world.serve(event(2, 1))


def test_null_keys_have_null_features_and_no_state():
    world = OnlineWorld(VIEW)
    answer = world.serve(event(1, 0, customer=None, terminal=None))
    assert answer.states == ()
    assert dict(zip(world.features.names, answer.features, strict=True))["count_2h"] is None


def test_a_cohort_has_row_features_no_keys_and_no_state():
    features = OnlineFeatures(MORTALITY_VIEW)
    rows = {column: None for column in MORTALITY_VIEW.input_columns}
    patient = rows | {"patient_id": 5, "age_years": 61.5, "disease_group": "Coma", "cancer_status": "no"}
    answer = features.answer(patient, [], known_at=None)
    frame = pl.DataFrame([patient], schema_overrides={"disease_group": pl.String, "cancer_status": pl.String})
    expected = compute_features(MORTALITY_VIEW, frame, None).select(features.names).row(0)
    assert (features.keys(patient), answer.known_at, answer.states) == ((), None, ())
    assert bits(answer.features) == bits(expected)


def test_an_unknown_category_is_refused_by_its_field():
    features = OnlineFeatures(MORTALITY_VIEW)
    patient = {column: None for column in MORTALITY_VIEW.input_columns} | {"patient_id": 5}
    with pytest.raises(InvalidEventError, match="must be one of") as error:
        features.answer(patient | {"disease_group": "Gout"}, [], known_at=None)
    assert error.value.field == "disease_group"


def test_a_name_that_is_no_feature_and_a_feature_that_is_text_are_refused():
    with pytest.raises(FeatureError, match="has no feature nonsense"):
        OnlineFeatures(VIEW, ["nonsense"])
    text = FeatureView("view", "id", None, (RowFeature("kind", col("kind").fill_null("none"), ""),))
    with pytest.raises(FeatureError, match="is a text"):
        OnlineFeatures(text)


def test_the_fraud_view_is_answered_whole():
    features = OnlineFeatures(FRAUD_VIEW)
    assert features.names == FRAUD_VIEW.feature_names
    at = as_microseconds(EPOCH)
    event = {
        "transaction_id": 1,
        "event_timestamp": at,
        "customer_id": 5,
        "terminal_id": 6,
        "amount_usd": 9.5,
    }
    answer = features.answer(event, [b"", b""], known_at=None)
    values = dict(zip(features.names, answer.features, strict=True))
    assert values["amount_usd"] == values["customer_mean_amount_30d"] == 9.5
    assert (values["terminal_fraud_share_7d"], values["amount_to_usual"]) == (0.0, None)
