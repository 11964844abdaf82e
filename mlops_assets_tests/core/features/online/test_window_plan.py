"""Which windows are answered together: every asked feature once, and what is shared computed once."""

from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.core.features.online.layout import entity_layouts
from mlops_assets.core.features.online.window_plan import GroupPlan, group_plans
from mlops_assets_tests.support.features.world import HOUR, VIEW

CUSTOMER, TERMINAL = entity_layouts(VIEW)
WINDOW_NAMES = [feature.feature_name(w) for feature in VIEW.window_features for w in feature.windows]
asked = st.lists(st.sampled_from(WINDOW_NAMES), unique=True).map(
    lambda names: {n: at for at, n in enumerate(names)}
)


def entity_of(name: str) -> str:
    return next(f.entity for f in VIEW.window_features if name in [f.feature_name(w) for w in f.windows])


@given(asked)
def test_each_asked_feature_of_the_entity_is_written_to_its_place_once_and_no_other(places: dict[str, int]):
    for layout in (CUSTOMER, TERMINAL):
        cells = [
            c for plan in group_plans(VIEW, layout, places) for column in plan.columns for c in column.cells
        ]
        expected = [place for name, place in places.items() if entity_of(name) == layout.entity]
        assert sorted(cell.place for cell in cells) == sorted(expected)


@given(asked)
def test_windows_of_a_group_come_shortest_first_and_only_where_asked_for(places: dict[str, int]):
    for plan in (*group_plans(VIEW, CUSTOMER, places), *group_plans(VIEW, TERMINAL, places)):
        assert list(plan.windows) == sorted(set(plan.windows))
        assert {cell.window for column in plan.columns for cell in column.cells} == set(
            range(len(plan.windows))
        )


def plan_of(*names: str) -> GroupPlan:
    (plan,) = group_plans(VIEW, CUSTOMER, {name: at for at, name in enumerate(names)})
    return plan


def test_features_of_one_column_share_a_pass():
    plan = plan_of("sum_2h", "sum_5h", "sum_others_2h", "min_2h")
    assert [(column.kind, len(column.cells)) for column in plan.columns] == [("total", 3), ("min", 1)]
    assert plan.windows == tuple(hours * HOUR.seconds * 10**6 for hours in (2, 5))
    assert [column.takes_current for column in plan.columns] == [True, True]
    assert not plan_of("sum_others_2h").columns[0].takes_current


def test_another_delay_or_stream_is_another_group():
    names = ("distinct_2h", "distinct_others_2h", "last_label_2h")
    plans = group_plans(VIEW, CUSTOMER, {name: at for at, name in enumerate(names)})
    assert [(plan.is_labels, plan.delay) for plan in plans] == [
        (False, 0), (False, HOUR.seconds * 10**6), (True, 0)
    ]  # fmt: skip
