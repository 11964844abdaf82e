"""Several views at once: the vectors of each are derived again offline with that view, to the last bit."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_assets.core.errors import FeatureError, InvalidEventError
from mlops_assets.core.features.expressions import col
from mlops_assets.core.features.online.executor import OnlineAnswer, OnlineFeatures
from mlops_assets.core.features.online.several_views import SeveralViews, Uncomputed
from mlops_assets.core.features.view import FeatureView, RowFeature
from mlops_assets_tests.support.features.online_world import OnlineWorld, bits, moment
from mlops_assets_tests.support.features.streams import streams
from mlops_assets_tests.support.features.world import (
    EPOCH,
    HOUR,
    ROW_FEATURES,
    VIEW,
    WINDOW_FEATURES,
    event,
    histories,
    times,
    window,
)


def view(*features) -> FeatureView:
    return FeatureView("other", "id", "event_timestamp", features)


OTHERS: Mapping[str, FeatureView] = {
    "a row feature is redefined": view(
        *WINDOW_FEATURES, ROW_FEATURES[0], RowFeature("ratio", col("amount") - col("mean_5h"), "")
    ),
    "windows are redefined": view(
        *(replace(one, windows=(2 * HOUR, 9 * HOUR)) for one in WINDOW_FEATURES), *ROW_FEATURES
    ),
    "what is aggregated is redefined": view(
        *(replace(one, decimals=0) if one.aggregation == "sum" else one for one in WINDOW_FEATURES)
    ),
    "features are dropped": view(*WINDOW_FEATURES[:3], ROW_FEATURES[0]),
    "the amount is not read": view(window("count", "customer", "count")),
    "no windows are left": view(ROW_FEATURES[0], ROW_FEATURES[2]),
    "a feature is added": view(*WINDOW_FEATURES, window("max", "terminal", "max", "amount"), *ROW_FEATURES),
}


class ViewsWorld(OnlineWorld):
    """A store whose states are those of several views, and what was served from them."""

    def __init__(self, *views: FeatureView) -> None:
        super().__init__(views[0])
        self.views = [OnlineWorld(one) for one in views]
        for one in self.views:
            one.states, one.served = self.states, self.served
        self.serves(*views)

    def serves(self, *views: FeatureView) -> None:
        pairs = [(one, one.feature_names) for one in views]
        self.features = SeveralViews(pairs) if len(pairs) > 1 else OnlineFeatures(views[0])  # pyright: ignore

    def serve(self, event) -> OnlineAnswer:
        answer = self.answer(event)
        if answer.states is not None:
            keys = self.features.keys(self.request(event))
            changed = dict(zip(keys, answer.states, strict=True))
            self.states.update({key: content for key, content in changed.items() if content is not None})
            known = answer.known_at or 0
            self.vectors[event.id] = answer.features
            self.served[event.id] = replace(event, known_at=moment(known))
        return answer

    def parts(self, vector: Sequence[float | None], *views: FeatureView) -> list[list[str]]:
        parts, start = [], 0
        for one in views:
            end = start + len(one.feature_names)
            parts.append(bits(vector[start:end]))
            start = end
        return parts


def check(world: ViewsWorld, plans, facts) -> None:
    """What each event was answered under its plan is what each view derives of it offline."""
    derived = {one.view.name + one.view.digest: one.offline(*facts) for one in world.views}
    for event_id, vector in world.vectors.items():
        views = plans[event_id]
        expected = [bits(derived[one.name + one.digest][event_id]) for one in views]
        assert world.parts(vector, *views) == expected


@pytest.mark.parametrize("kind", OTHERS)
@settings(max_examples=40, deadline=None)
@given(history=histories(), stream=streams(), as_of=times, data=st.data())
def test_both_views_are_derived_again_offline_before_during_and_after_a_release(
    kind, history, stream, as_of, data
):
    other = OTHERS[kind]
    world = ViewsWorld(VIEW, other)
    facts = (
        [one for one in history[0] if one.known_at < as_of],
        [one for one in history[1] if one.known_at < as_of],
    )
    for one in world.views:
        one.load(*facts, as_of=as_of)
    orders = [(VIEW, other), (other, VIEW)]
    plans: dict[int, tuple[FeatureView, ...]] = {}
    for one in stream:
        views = data.draw(st.sampled_from(orders))
        world.serves(*views)
        was_there = one.id in world.served
        try:
            answer = world.serve(one)
        except InvalidEventError:
            continue
        if was_there and plans[one.id] == views:
            assert bits(answer.features) == bits(world.vectors[one.id])
        if not was_there:
            plans[one.id] = views
    check(world, plans, facts)


def test_an_event_is_known_to_both_views_at_one_time() -> None:
    other = OTHERS["windows are redefined"]
    world = ViewsWorld(VIEW, other)
    world.serves(other)
    world.serve(event(1, 5))
    world.serves(VIEW, other)
    assert world.serve(event(2, 3)).known_at == (EPOCH + 5 * HOUR).timestamp() * 1e6


def test_what_the_second_view_refuses_leaves_the_first_its_answer_and_its_states() -> None:
    strict = view(
        RowFeature("kind", col("customer").category(("a",)), ""), window("max", "terminal", "max", "amount")
    )
    world = ViewsWorld(VIEW, strict)
    answer = world.serve(event(1, 1, customer="b"))
    first, second = answer.features[: len(VIEW.feature_names)], answer.features[len(VIEW.feature_names) :]
    alone = OnlineWorld(VIEW)
    assert bits(first) == bits(alone.serve(event(1, 1, customer="b")).features)
    assert {key: world.states[key] for key in alone.states} == alone.states
    assert all(isinstance(one, Uncomputed) and "must be one of a" in str(one.error) for one in second)
    world.serves(strict, VIEW)
    with pytest.raises(InvalidEventError, match="must be one of a"):
        world.serve(event(2, 1, customer="b"))


def test_views_that_read_another_id_cannot_serve_at_once() -> None:
    other = FeatureView("other", "number", "event_timestamp", (ROW_FEATURES[0],))
    with pytest.raises(FeatureError, match="both cannot serve at once"):
        SeveralViews([(VIEW, VIEW.feature_names), (other, other.feature_names)])
