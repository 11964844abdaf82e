"""How a verdict on latency is shown: a warning where nothing could be told, and again with a result that stays."""

import dagster as dg
import pytest

from mlops_assets.assets.support.latency import (
    LATENCY_CHECK,
    latency_check,
    smoke_metadata,
    with_latency_again,
)
from mlops_assets.core.bento.latency import LatencyVerdict
from mlops_assets.core.bento.load_probe import LoadProbe
from mlops_assets.core.bento.smoke import SmokeResult

PROBE = LoadProbe(100, 50.0, 10.0, 40.0, (40.0, 38.0), (20.0, 21.0))


@pytest.mark.parametrize("verdict", ["pass", "inconclusive"])
def test_only_a_pass_passes_and_a_warning_is_the_worst(verdict: str) -> None:
    check = latency_check(verdict, "why", version=3)
    assert check.passed is (verdict == "pass")
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert check.description == f"version 3: {verdict}: why"


def test_a_result_that_stays_shows_the_check_of_its_own_time() -> None:
    smoke = SmokeResult(100, 3.0, PROBE, LatencyVerdict("inconclusive", "too busy", 1.9, 1.2, 2.5, 1.1))
    shown = {name: dg.MetadataValue.text(str(value)) for name, value in smoke_metadata(smoke).items()}
    assert shown["p99_times_the_champions"].value == "1.9"
    (check,) = with_latency_again(dg.MaterializeResult(metadata=shown), version=3).check_results or ()
    assert (check.check_name, check.passed) == (LATENCY_CHECK, False)
    assert check.description == "version 3: inconclusive: too busy"


def test_without_a_champion_there_are_no_figures_of_one() -> None:
    smoke = SmokeResult(100, 3.0, PROBE, LatencyVerdict("pass", "not compared: nothing is released yet"))
    assert not [name for name in smoke_metadata(smoke) if "champion" in name]
