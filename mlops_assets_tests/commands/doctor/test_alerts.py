"""What the doctor says about alerts."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mlops_assets.commands.doctor import alerts as module
from mlops_assets.commands.doctor.alerts import alert_checks
from mlops_assets.commands.doctor.check import Check
from mlops_assets.core.alerts.outbox import FILE, LOOKED_AT, Outbox
from mlops_assets.core.errors import AlertError
from mlops_assets.core.product_spec import ProductSpec
from mlops_assets.core.settings import load_settings
from mlops_assets_tests.support.product_specs import FRAUD

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


def found(home: Path, **environ: str) -> dict[str, Check]:
    settings = load_settings({"MLOPS_HOME": str(home), **environ}, working_directory=home)
    return {one.name: one for one in alert_checks(settings, environ, now=NOW)}


def test_a_home_whose_alerts_go_to_the_log_only_is_warned(tmp_path: Path) -> None:
    checks = found(tmp_path)
    assert (checks["alerts"].status, checks["alerts"].detail) == ("warning", "alerts go to the log only")
    assert checks["outbox"].status == "ok"
    assert not list(tmp_path.iterdir())


def test_sinks_are_named_and_a_file_that_others_read_is_warned_of(tmp_path: Path) -> None:
    file = tmp_path / "alert_sinks.yaml"
    file.write_text("sinks: {team: {kind: slack, url: 'https://s/hush'}}", encoding="utf-8")
    file.chmod(0o644)
    checks = found(tmp_path, MLOPS_ALERT_WEBHOOK="https://h/hush")
    assert checks["alerts"].detail.startswith("alerts go to the log and to webhook, team;")
    assert checks["file of sinks"].action == f"chmod 600 {file}"
    file.chmod(0o600)
    assert not {"file of sinks", "products of sinks"} & set(found(tmp_path))
    file.write_text("sinks: {team: {kind: slack, url: 'https://s', products: [fraud]}}", encoding="utf-8")
    assert (
        found(tmp_path)["products of sinks"].detail == "sink team is for fraud, and there is no such product"
    )
    file.write_text("sinks: {team: {kind: pigeon}}", encoding="utf-8")
    with pytest.raises(AlertError, match="pigeon"):
        found(tmp_path)


def test_a_rule_that_names_a_sink_which_is_not_there_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = {"rules": {"drift": {"sinks": ["pager", "log"]}}}
    document = {**FRAUD.model_dump(mode="json", exclude_unset=True), "alerts": rules}
    monkeypatch.setattr(module, "read_product_spec", lambda name: ProductSpec.model_validate(document))
    assert (
        "rules of mortality_risk name pager, which this home does not have" in found(tmp_path)["rules"].detail
    )


def test_that_nobody_looks_is_warned_of_and_a_damaged_outbox_fails(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / FILE)
    late = (NOW - timedelta(hours=1)).isoformat()
    outbox.record((), now=NOW, new_id=str, route=lambda _: (), notes={LOOKED_AT: late})
    check = found(tmp_path)["outbox"]
    assert (check.status, "nobody looked since 2026-05-04 11:00 UTC" in check.detail) == ("warning", True)
    outbox.file.write_bytes(b"no database" * 100)
    assert found(tmp_path)["outbox"].status == "failed"
