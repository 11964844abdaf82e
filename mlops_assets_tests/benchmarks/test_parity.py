"""The parity benchmark at a small size: nothing differs in a correct service, and every seeded skew is named."""

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

import pytest
from rich.progress import Progress

from benchmarks.parity.__main__ import Outcome, is_caught, run_cohort, run_fraud, run_skews, stream_of
from benchmarks.parity.skews import SKEWS, Correct

OPTIONS = Namespace(requests=400, cohort_requests=300, workers=2, store=None)


@pytest.fixture(scope="module")
def skewed(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Outcome]:
    with Progress(disable=True) as progress:
        return run_skews(tmp_path_factory.mktemp("skews"), stream_of(700, 3), progress, [Correct(), *SKEWS])


@pytest.mark.parametrize("run", [run_fraud, run_cohort])
def test_several_processes_and_a_restart_serve_what_the_offline_executor_derives(
    run: type, tmp_path: Path
) -> None:
    with Progress(disable=True) as progress:
        found = run(tmp_path, OPTIONS, progress)
    assert found.scored > found.vectors > 250, "some events were sent twice"
    assert (found.mismatches, found.lost, found.refused) == (0, 0, 0), found.summary
    assert found.is_passed


def test_the_stream_of_the_skews_is_served_right_without_one(skewed: Mapping[str, Outcome]) -> None:
    assert skewed[""].is_passed, skewed[""].summary
    assert not is_caught("", skewed[""])


@pytest.mark.parametrize("name", [skew.name for skew in SKEWS])
def test_the_seeded_skew_is_found_and_named(skewed: Mapping[str, Outcome], name: str) -> None:
    assert is_caught(name, skewed[name]), skewed[name].summary
