"""What Prometheus' own tools say of the configuration: `promtool` and `amtool` of Debian."""

import subprocess
from pathlib import Path

import pytest
import yaml

from mlops_assets_tests.support.monitoring.deployed import PROMETHEUS, queries
from mlops_assets_tests.support.programs import AMTOOL, PROMTOOL, Program

pytestmark = pytest.mark.servers


def said(program: Program, *arguments: str) -> str:
    done = subprocess.run(
        [program.path(), *arguments], capture_output=True, text=True, check=False, cwd=PROMETHEUS
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_takes_the_configuration_and_its_rules() -> None:
    assert "SUCCESS" in said(PROMTOOL, "check", "config", "prometheus.yml")
    files = sorted(str(file) for file in (PROMETHEUS / "rules").glob("*.yml"))
    assert said(PROMTOOL, "check", "rules", "--lint=all", "--lint-fatal", *files).count("SUCCESS") == len(
        files
    )


def test_the_rules_do_what_their_tests_say() -> None:
    files = sorted(str(file) for file in (PROMETHEUS / "tests").glob("*.test.yml"))
    assert len(files) == 3
    assert said(PROMTOOL, "test", "rules", *files).count("SUCCESS") == len(files)


def test_every_query_of_a_panel_is_one_that_prometheus_understands(tmp_path: Path) -> None:
    asked = [query for where, query in queries() if ".json: " in where and "choices" not in where]
    assert len(asked) > 40
    written = [
        {"record": f"q{n}", "expr": one.replace("$__rate_interval", "1m").replace("$product", ".*")}
        for n, one in enumerate(asked)
    ]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": written}]}), encoding="utf-8")
    assert "SUCCESS" in said(PROMTOOL, "check", "rules", str(file))


def test_amtool_takes_the_configuration() -> None:
    assert "SUCCESS" in said(AMTOOL, "check-config", "alertmanager.yml")


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (["alertname=MlopsServiceDown", "severity=critical"], "pager"),
        (["alertname=MlopsDriftAlarm", "severity=warning", "product=shop"], "team"),
        (["alertname=Other", "severity=info"], "screen"),
        (["alertname=WithoutSeverity"], "team"),
    ],
)
def test_alerts_go_to_whom_their_severity_asks_for(labels: list[str], receiver: str) -> None:
    routed = said(AMTOOL, "config", "routes", "test", "--config.file=alertmanager.yml", *labels)
    assert routed.strip() == receiver
