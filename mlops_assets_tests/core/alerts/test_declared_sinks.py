"""The sinks of a home: read from a file or the environment, without ever showing a secret; and who gets what."""

from pathlib import Path

import pytest

from mlops_assets.core.alerts.declared_sinks import AlertSinks, Webhook, alert_sinks
from mlops_assets.core.alerts.sinks.email import EmailSink
from mlops_assets.core.alerts.sinks.http import SlackSink, WebhookSink
from mlops_assets.core.errors import AlertError
from mlops_assets.core.settings import load_settings
from mlops_assets_tests.support.alerts.messages import message

WHOLE = """\
sinks:
  team:
    kind: slack
    url: {env: TEAM_SLACK}
    from_severity: warning
    products: [fraud_detection]
  pager:
    kind: webhook
    url: https://pager.example/hush
    token: {env: PAGER_TOKEN}
    from_severity: critical
  mail:
    kind: email
    host: smtp.example
    sender: mlops@example.com
    recipients: [ann@example.com]
    user: mlops
    password: {env: SMTP_PASSWORD}
"""
SECRETS = {
    "TEAM_SLACK": "https://hooks.slack.example/T0/hush",
    "PAGER_TOKEN": "hush1",
    "SMTP_PASSWORD": "hush2",
}


def read(home: Path, text: str | None = None, **environ: str) -> AlertSinks:
    if text is not None:
        (home / "alert_sinks.yaml").write_text(text, encoding="utf-8")
    whole = {"MLOPS_HOME": str(home), **environ}
    return alert_sinks(
        load_settings({k: v for k, v in whole.items() if k.startswith("MLOPS_")}, working_directory=home),
        whole,
    )


def test_a_home_has_its_log_and_what_the_environment_names(tmp_path: Path) -> None:
    assert list(read(tmp_path).sinks) == ["log"]
    both = read(tmp_path, MLOPS_ALERT_WEBHOOK="https://h/hush", MLOPS_ALERT_SLACK="https://s/hush")
    assert both.sinks["webhook"] == WebhookSink("https://h/hush")
    assert both.sinks["slack"] == SlackSink("https://s/hush")


def test_a_file_declares_sinks_and_takes_secrets_from_the_environment(tmp_path: Path) -> None:
    sinks = read(tmp_path, WHOLE, **SECRETS).sinks
    assert list(sinks) == ["log", "team", "pager", "mail"]
    assert sinks["team"] == SlackSink(SECRETS["TEAM_SLACK"])
    assert sinks["pager"] == WebhookSink("https://pager.example/hush", "hush1")
    mail = sinks["mail"]
    assert isinstance(mail, EmailSink)
    assert (mail.port, mail.security, mail.password) == (587, "starttls", "hush2")
    assert "hush" not in repr(read(tmp_path, WHOLE, **SECRETS)) + repr(list(sinks.values()))


def test_the_variable_names_another_file(tmp_path: Path) -> None:
    file = tmp_path / "elsewhere.yaml"
    file.write_text(WHOLE.replace("team", "crew"), encoding="utf-8")
    assert "crew" in read(tmp_path, MLOPS_ALERT_SINKS=str(file), **SECRETS).sinks
    with pytest.raises(AlertError, match=r"gone\.yaml cannot be read: FileNotFoundError"):
        read(tmp_path, MLOPS_ALERT_SINKS=str(tmp_path / "gone.yaml"))


EMAIL = "sinks: {mail: {kind: email, host: HOST, sender: a@b.c, recipients: [d@e.f], security: plain}}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sinks: {a: {kind: pigeon, url: hush}}", "sinks.a: Input tag 'pigeon'"),
        ("sinks: {a: {kind: slack, url: hush}}", "sinks.a.slack.url: String should match pattern"),
        ("sinks: {a: {kind: slack, url: 'https://hush', tokn: hush}}", "sinks.a.slack.tokn: Extra inputs"),
        (
            "sinks: {a: {kind: slack, url: {env: NOT_SET}}}",
            "sinks.a.url: the environment variable NOT_SET is not set",
        ),
        ("sinks: {log: {kind: slack, url: 'https://hush'}}", "every home has this sink"),
        ("sinks: {Big Name: {kind: slack, url: 'https://hush'}}", "String should match pattern"),
        ("a: [hush", "alert_sinks.yaml:1: it is no valid YAML"),
        ("[hush]", "it needs one key, sinks"),
        (EMAIL.replace("HOST", "smtp.hush.example"), "plain shows a mail to everybody on its way"),
        (
            EMAIL.replace("HOST", "127.0.0.1").replace("d@e.f", "'a@b.c\\nBcc: d@e.f'"),
            "String should match pattern",
        ),
    ],
)
def test_a_wrong_file_says_what_is_wrong_and_never_quotes_it(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(AlertError, match=r"alert_sinks\.yaml") as refused:
        read(tmp_path, text)
    assert words in str(refused.value)
    assert "hush" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_plain_mail_stays_on_this_machine_unless_said_otherwise(tmp_path: Path, host: str) -> None:
    assert "mail" in read(tmp_path, EMAIL.replace("HOST", f"'{host}'")).sinks
    allowed = EMAIL.replace("HOST", "10.0.0.8").replace("plain}", "plain, allow_plain: true}")
    assert "mail" in read(tmp_path, allowed).sinks


def test_a_message_goes_to_the_sinks_that_take_its_severity_and_product(tmp_path: Path) -> None:
    route = read(tmp_path, WHOLE, **SECRETS).route
    assert route(message(severity="info")) == ("log", "mail")
    assert route(message(severity="warning")) == ("log", "team", "mail")
    assert route(message(severity="critical", product="mortality_risk")) == ("log", "pager", "mail")
    assert route(message(severity="critical", product="")) == ("log", "pager", "mail")


def test_a_rule_that_names_its_sinks_is_obeyed(tmp_path: Path) -> None:
    route = read(tmp_path, WHOLE, **SECRETS).route
    assert route(message(severity="info", sinks=("pager", "not_there"))) == ("log", "pager", "not_there")
    assert route(message(sinks=())) == ("log",)


def test_a_sink_is_not_told_of_its_own_failure_and_somebody_is() -> None:
    url = "https://h"
    only = Webhook(kind="webhook", url=url, products=("fraud_detection",))
    sinks = AlertSinks.of({"a": only, "b": only})
    down = message(product="", rule="sink_down", subject="a", severity="critical")
    assert sinks.route(down) == ("log", "b")
