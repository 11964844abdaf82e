"""The installation: Python, locked versions, requirements."""

from pathlib import Path

import pytest

from mlops_assets.commands.doctor.installation import (
    installation_checks,
    lock_check,
    python_check,
    requirement_checks,
)


def test_another_python_or_another_version_than_the_locked_one_is_named() -> None:
    assert python_check("3.11.7", "<3.12,>=3.11").status == "ok"
    assert python_check("3.12.0", "<3.12,>=3.11").status == "failed"
    assert lock_check("polars==0.0.1 \\\n    --hash=sha256:00\n").status == "warning"
    assert lock_check("# comment\nnothing-like-this==1.0 \\\n").status == "ok"
    assert {check.status for check in installation_checks()} <= {"ok", "warning"}


def test_a_missing_or_wrong_requirement_is_named_with_who_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs = {
        "doctor-root": [
            "doctor-middle[fast]",
            "polars<0.1",
            "nothing-like-this>=2",
            "absent; extra == 'dev'",
        ],
        "doctor-middle": ["numpy>=1", "missing-part; extra == 'fast'", "unused-part; extra == 'slow'"],
    }
    for name, requirements in needs.items():
        folder = tmp_path / f"{name.replace('-', '_')}-1.0.dist-info"
        folder.mkdir()
        lines = ["Metadata-Version: 2.1", f"Name: {name}", "Version: 1.0", "Provides-Extra: fast"]
        text = "\n".join([*lines, *(f"Requires-Dist: {requirement}" for requirement in requirements), ""])
        (folder / "METADATA").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    direct, others = requirement_checks("doctor-root")
    assert direct.status == others.status == "failed"
    assert "doctor-root needs polars<0.1, but" in direct.detail
    assert "doctor-root needs nothing-like-this>=2, which is not installed" in direct.detail
    assert "absent" not in direct.detail
    assert others.detail.startswith("doctor-middle needs missing-part")
    assert "unused-part" not in others.detail
