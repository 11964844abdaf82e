"""Windows of a product are judged by column and by pairs of columns, from the same history."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.monitoring.drift.report import DriftReport
from mlops_assets.core.monitoring.drift.windows import WindowDrift
from mlops_assets.core.monitoring.finding import Finding
from mlops_assets.core.monitoring.joint import stored
from mlops_assets.core.monitoring.joint.verdict import SUBJECT
from mlops_assets.core.monitoring.joint.windows import JointDrift
from mlops_assets.core.monitoring.stored_profiles import ChampionProfiles
from mlops_assets.core.release.champion import load_champion
from mlops_assets_tests.support.homes.home import COMMIT
from mlops_assets_tests.support.homes.small_home import LAST_DAY, SmallHome

WINDOW = DayRange(LAST_DAY - timedelta(days=6), LAST_DAY + timedelta(days=1))
ALARM = Finding(topic="joint_drift", subject=SUBJECT, state="alarm", cause="changed", reason="a and b parted")


@pytest.fixture
def joint(released_home: SmallHome, tmp_path: Path) -> JointDrift:
    home = released_home.copy(tmp_path / "home")
    champion = load_champion(home.control, home.product.name, declared_view=home.product.view)
    return JointDrift(WindowDrift(ChampionProfiles(home.tables, home.product, champion, COMMIT), WINDOW))


@pytest.fixture
def stable(joint: JointDrift) -> DriftReport:
    return replace(joint.judge(WINDOW), verdict="stable", faults=(), columns=(), joint=None)


def test_a_window_has_one_finding_of_columns_together(joint: JointDrift) -> None:
    report = joint.judge(WINDOW)
    found = [one for one in report.findings() if one.topic == "joint_drift"]
    assert found == [report.joint] and found[0].subject == SUBJECT
    again = JointDrift(joint.drift)
    assert (again.judge(WINDOW), again.content(WINDOW)) == (report, joint.content(WINDOW))


def test_joint_drift_is_drift_of_the_window(stable: DriftReport) -> None:
    report = stable.with_joint(ALARM)
    assert report.verdict == "drift"
    assert report.reason == "columns together: a and b parted; no column drifted by itself"
    assert stable.with_joint(replace(ALARM, state="ok", cause=None)).verdict == "stable"


def test_a_fault_of_a_day_explains_it(stable: DriftReport) -> None:
    fault = Finding(topic="data_quality", subject="a", state="alarm", cause="broken", reason="nulls")
    report = stable.with_faults([fault]).with_joint(ALARM)
    assert report.verdict == "broken"
    assert report.joint is not None and report.joint.cause == "broken"


def test_a_day_without_events_is_a_broken_source_and_no_drift(joint: JointDrift) -> None:
    days = [LAST_DAY - timedelta(days=number) for number in range(60)]
    usual = JointDrift(joint.drift, dict.fromkeys(days, 100))
    silent = JointDrift(joint.drift, {**usual.events, days[2]: 0})
    assert usual.judge(WINDOW) == joint.judge(WINDOW)
    report = silent.judge(WINDOW)
    assert report.verdict == "broken"
    assert [fault.partition for fault in report.faults] == [days[2].isoformat()]
    assert silent.content(WINDOW) != usual.content(WINDOW)


def test_a_window_of_which_a_sample_is_summed_up_has_all_its_rows(
    joint: JointDrift, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "SUMMED_ROWS", 40)
    profiles, days = joint.drift.profiles, joint.drift.read_days
    stored_sums = profiles.tables.read(profiles.product.name, stored.PAIR_SUMS, days=days)
    profiles.tables.write(
        profiles.product.name, stored.PAIR_SUMS, stored_sums.clear(), days=days, commit=COMMIT
    )
    rows = joint.drift.judge(WINDOW).rows_current
    for minimum, words in ((rows, "(correlation "), (rows + 1, f"the window has {rows} rows")):
        monitoring = profiles.product.spec.monitoring.model_copy(update={"minimum_rows": minimum})
        spec = profiles.product.spec.model_copy(update={"monitoring": monitoring})
        product = replace(profiles.product, spec=spec)
        judged = JointDrift(WindowDrift(replace(profiles, product=product), WINDOW)).judge(WINDOW)
        assert judged.joint is not None and words in judged.joint.reason
