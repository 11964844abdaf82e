"""The parity benchmark at a small size: nothing differs in a correct service."""

from argparse import Namespace
from pathlib import Path

import pytest
from rich.progress import Progress

from benchmarks.parity.__main__ import run_cohort, run_fraud

pytestmark = pytest.mark.rehearsal

OPTIONS = Namespace(requests=400, cohort_requests=300, workers=2, store=None)


@pytest.mark.parametrize("run", [run_fraud, run_cohort])
def test_several_processes_and_a_restart_serve_what_the_offline_executor_derives(
    run: type, tmp_path: Path
) -> None:
    with Progress(disable=True) as progress:
        found = run(tmp_path, OPTIONS, progress)
    assert found.scored > found.vectors > 250, "some events were sent twice"
    assert (found.mismatches, found.lost, found.refused) == (0, 0, 0), found.summary
    assert found.is_passed
