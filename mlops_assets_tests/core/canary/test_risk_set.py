"""How an entity is followed through its requests, against a walk over them one by one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.core.canary.risk_set import follow_entities, stratum_of

request = st.tuples(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.integers(0, 3), st.integers(1, 2))


@given(st.lists(request, max_size=40))
def test_each_request_knows_what_came_before_it_of_its_entity_in_its_step(
    requests: list[tuple[float, int, int]],
) -> None:
    harm = np.array([one[0] for one in requests], dtype=np.float64)
    entity, step = (np.array([one[at] for one in requests], dtype=np.int64) for at in (1, 2))
    found = follow_entities(harm, entity, step)
    worst: dict[tuple[int, int], float] = {}
    count: dict[tuple[int, int], int] = {}
    entered: dict[tuple[int, int, int], float] = {}
    for at, (h, e, s) in enumerate(requests):
        before = worst.get((e, s), 0.0)
        ordinal = count[e, s] = count.get((e, s), 0) + 1
        stratum = ordinal.bit_length() - 1
        at_entry = entered.setdefault((e, s, stratum), before)
        assert found.stratum[at] == stratum
        assert found.is_at_risk[at] == (before < 1)
        assert found.is_at_risk_in_stratum[at] == (at_entry < 1)
        assert found.harm[at] == (h if h > before else 0.0)
        worst[e, s] = max(before, h)


def test_strata_double() -> None:
    assert stratum_of(np.arange(1, 17)).tolist() == [0, 1, 1, 2, 2, 2, 2, *[3] * 8, 4]
