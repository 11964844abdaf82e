"""The seeded skews of the parity benchmark on a small stream: each is found and named, and without one nothing is."""

from collections.abc import Mapping

import pytest
from rich.progress import Progress

from benchmarks.parity.__main__ import Outcome, is_caught, run_skews, stream_of
from benchmarks.parity.skews import SKEWS, Correct

pytestmark = pytest.mark.rehearsal


@pytest.fixture(scope="module")
def skewed(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Outcome]:
    with Progress(disable=True) as progress:
        return run_skews(tmp_path_factory.mktemp("skews"), stream_of(200, 2), progress, [Correct(), *SKEWS])


def test_the_stream_of_the_skews_is_served_right_without_one(skewed: Mapping[str, Outcome]) -> None:
    assert skewed[""].is_passed, skewed[""].summary
    assert not is_caught("", skewed[""])


@pytest.mark.parametrize("name", [skew.name for skew in SKEWS])
def test_the_seeded_skew_is_found_and_named(skewed: Mapping[str, Outcome], name: str) -> None:
    assert is_caught(name, skewed[name]), skewed[name].summary
