"""The status of products as people read it."""

from dataclasses import asdict, replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

from rich.console import Console

from mlops_assets.commands.product_status import product_status
from mlops_assets.commands.status_table import SHOWN_ALERTS, print_alerts, print_status
from mlops_assets.core.alerts.lifecycle import Key, OpenAlert
from mlops_assets.core.alerts.standing import AlertStanding
from mlops_assets.core.settings import load_settings
from mlops_assets_tests.support.alerts.messages import firing

NEWEST = datetime(2026, 3, 10, 23, 59, tzinfo=UTC)


def test_nothing_materialized_is_none_and_a_dash(tmp_path: Path) -> None:
    settings = load_settings({"MLOPS_HOME": str(tmp_path)}, working_directory=tmp_path)
    statuses = [product_status(settings, name, now=NEWEST) for name in ("fraud_detection", "mortality_risk")]
    for status in statuses:
        shown = asdict(status)
        assert shown.pop("product") and shown.pop("primary_metric")
        assert {name for name, value in shown.items() if value} == {"places"}
    screen = StringIO()
    print_status(statuses, console=Console(file=screen, width=200))
    assert screen.getvalue().count("–") >= 2 * 7


def test_products_stand_below_each_other_where_a_name_would_be_broken(tmp_path: Path) -> None:
    settings = load_settings({"MLOPS_HOME": str(tmp_path)}, working_directory=tmp_path)
    gate = "not_inferior_to_logistic_regression"
    statuses = [
        replace(product_status(settings, name, now=NEWEST), gates={gate: "inconclusive"})
        for name in ("fraud_detection", "mortality_risk")
    ]
    for width, side_by_side in ((80, False), (200, True)):
        screen = StringIO()
        print_status(statuses, console=Console(file=screen, width=width))
        lines = screen.getvalue().splitlines()
        assert sum(f"{gate}: inconclusive" in line for line in lines) == (1 if side_by_side else 2)
        assert max(map(len, (line for line in lines if "│" in line))) <= width


def test_open_alerts_are_a_line_each_up_to_a_number_and_problems_are_said() -> None:
    alerts = tuple(
        OpenAlert(
            id=f"alert{number}",
            opened_at=NEWEST,
            told_at=NEWEST,
            messages=1,
            told=firing(Key("p" if number else "", "drift", f"[red]column{number}")),
        )
        for number in range(SHOWN_ALERTS + 2)
    )
    screen = StringIO()
    standing = AlertStanding(alerts, unreadable="the outbox is damaged")
    print_alerts(standing, now=NEWEST, console=Console(file=screen, width=200))
    lines = screen.getvalue().splitlines()
    assert lines[0].endswith(": drift: [red]column0: it has moved")
    assert lines[1].endswith(": p: drift: [red]column1: it has moved")
    assert lines[SHOWN_ALERTS:] == ["and 2 more alerts: mlops alerts list", "alerts: the outbox is damaged"]
