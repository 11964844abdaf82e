"""Alertmanager's receivers where a secret's file is not there."""

from pathlib import Path

import pytest
import yaml

from mlops_assets.commands.metrics.receivers import without_missing_secrets

CONFIGURATION = """
global: {{smtp_smarthost: "smtp.example.com:587", smtp_auth_password_file: {folder}/mail, resolve_timeout: 5m}}
route: {{receiver: team}}
receivers:
  - name: team
    slack_configs: [{{api_url_file: {folder}/slack}}]
    email_configs: [{{to: ann@example.com}}]
  - name: hook
    webhook_configs: [{{url: "http://127.0.0.1:9000/"}}]
"""


def left(folder: Path) -> tuple[dict[str, list[str]], dict[str, str], tuple[str, ...]]:
    text, left_out = without_missing_secrets(CONFIGURATION.format(folder=folder))
    content = yaml.safe_load(text)
    receivers = {
        one["name"]: [kind for kind, told in one.items() if isinstance(told, list) and told]
        for one in content["receivers"]
    }
    return receivers, content["global"], left_out


def test_with_all_files_nothing_is_left_out(tmp_path: Path) -> None:
    for name in ("mail", "slack"):
        (tmp_path / name).write_text("secret")
    receivers, shared, left_out = left(tmp_path)
    assert receivers == {"team": ["slack_configs", "email_configs"], "hook": ["webhook_configs"]}
    assert left_out == ()
    assert "smtp_smarthost" in shared


@pytest.mark.parametrize(
    ("there", "kept", "words"),
    [
        ("mail", ["email_configs"], ["team: no slack without {}/slack"]),
        ("slack", ["slack_configs"], ["team: no email without {}/mail"]),
        (None, [], ["team: no slack without {}/slack", "team: no email without {}/mail"]),
    ],
)
def test_what_has_no_secret_is_left_out_and_named(
    there: str | None, kept: list[str], words: list[str], tmp_path: Path
) -> None:
    if there:
        (tmp_path / there).write_text("secret")
    receivers, shared, left_out = left(tmp_path)
    assert receivers == {"team": kept, "hook": ["webhook_configs"]}
    assert list(left_out) == [one.format(tmp_path) for one in words]
    assert ("smtp_smarthost" in shared) is (there == "mail")
    assert shared["resolve_timeout"] == "5m"
