"""Requests as they arrive at a service, drawn by hypothesis."""

from dataclasses import replace

from hypothesis import strategies as st

from mlops_assets_tests.support.features.window_oracle import EventVersion
from mlops_assets_tests.support.features.world import amounts, customers, lateness, terminals, times

requests = st.builds(
    lambda at, late, customer, terminal, amount: EventVersion(0, at, at + late, customer, terminal, amount),
    times,
    lateness,
    customers,
    terminals,
    st.one_of(amounts, st.just(float("nan"))),
)


@st.composite
def streams(draw: st.DrawFn) -> list[EventVersion]:
    """Requests with ids from 100 on, in an arrival order that has nothing to do with their times; some come twice."""
    events = [replace(draw(requests), id=100 + number) for number in range(draw(st.integers(1, 8)))]
    repeats = draw(st.lists(st.sampled_from(events), max_size=3))
    return draw(st.permutations(events + repeats))
