"""The sinks of a home: the file that MLOPS_ALERT_SINKS names and the webhooks of the environment, and who gets what.

They hold secrets, so that they stand in no product's folder.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, TypeAdapter, ValidationError, model_validator

from mlops_assets.core.alerts.delivery import SINK_DOWN
from mlops_assets.core.alerts.message import SEVERITIES, Message
from mlops_assets.core.alerts.sinks.email import EmailSink, Security
from mlops_assets.core.alerts.sinks.http import SlackSink, WebhookSink
from mlops_assets.core.alerts.sinks.log import LogSink
from mlops_assets.core.alerts.sinks.outcome import Sink
from mlops_assets.core.declared.alerts import Severity
from mlops_assets.core.declared_types import Name, Section
from mlops_assets.core.errors import AlertError
from mlops_assets.core.settings import Settings

LOG = "log"
"""The sink that every home has."""
Address = Annotated[str, Field(pattern=r"^https?://[^\s]+$")]
Mailbox = Annotated[str, Field(pattern=r"^[^\s@<>,;:\"]+@[^\s@<>,;:\"]+$")]
_PORTS: Mapping[Security, int] = {"starttls": 587, "tls": 465, "plain": 25}


class _Declared(Section):
    from_severity: Severity = "info"
    """The least severity that it takes."""
    products: tuple[Name, ...] | None = None
    """Products that it is told of; null for all, and for what is of no single product."""


class Webhook(_Declared):
    """A webhook that gets the platform's own JSON."""

    kind: Literal["webhook"]
    url: Address = Field(repr=False)
    token: str | None = Field(default=None, repr=False)
    """Bearer token."""


class Slack(_Declared):
    """An incoming webhook of Slack, or of what takes the same."""

    kind: Literal["slack"]
    url: Address = Field(repr=False)


class Email(_Declared):
    """Mail by SMTP."""

    kind: Literal["email"]
    host: str
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """null for the usual one: 587 with starttls, 465 with tls, 25 with plain."""
    sender: Mailbox
    recipients: Annotated[tuple[Mailbox, ...], Field(min_length=1)]
    security: Security = "starttls"
    user: str | None = None
    password: str | None = Field(default=None, repr=False)
    ca_file: Path | None = None
    """Certificates that are trusted in place of the system's."""
    allow_plain: bool = False
    """Lets mails, and the password, go to another machine without encryption."""

    @model_validator(mode="after")
    def _plain_stays_on_this_machine(self) -> Self:
        if self.security == "plain" and not self.allow_plain and not _is_loopback(self.host):
            raise ValueError(
                "security: plain shows a mail to everybody on its way: take starttls or tls, or say allow_plain: true"
            )
        return self


Declared = Annotated[Webhook | Slack | Email, Field(discriminator="kind")]


@dataclass(frozen=True)
class AlertSinks:
    """The sinks of a home by name, the log included, and what each of them takes."""

    sinks: Mapping[str, Sink] = field(repr=False)
    declared: Mapping[str, "Webhook | Slack | Email"] = field(repr=False)
    is_whole: bool = True
    """Whether these are all: what waits for another one then waits for a sink that is not there."""

    @classmethod
    def of_environment(cls, settings: Settings) -> "AlertSinks":
        """The log and the webhooks that environment variables name, while the file cannot be read."""
        return replace(cls.of(_of_environment(settings)), is_whole=False)

    @classmethod
    def of(cls, declared: "Mapping[str, Webhook | Slack | Email]") -> "AlertSinks":
        """The log and these sinks."""
        return cls({LOG: LogSink(), **{name: _made(one) for name, one in declared.items()}}, declared)

    def route(self, message: Message) -> tuple[str, ...]:
        """Return the names of the sinks that a message goes to; the log is among them.

        A rule that names its sinks is obeyed, also where one of them is not there: the message then waits for it. Of
        the others those that take the severity and the product. What none of them takes and is of no single product
        goes to those that take the severity. A sink is not told of its own failure.
        """
        if message.sinks is not None:
            return tuple(dict.fromkeys((LOG, *message.sinks)))
        others = [
            (name, one)
            for name, one in self.declared.items()
            if not (message.rule == SINK_DOWN and message.subject == name)
            and SEVERITIES.index(message.severity) >= SEVERITIES.index(one.from_severity)
        ]
        chosen = [name for name, one in others if one.products is None or message.product in one.products]
        if not chosen and not message.product:
            chosen = [name for name, _ in others]
        return (LOG, *chosen)


def alert_sinks(settings: Settings, environ: Mapping[str, str]) -> AlertSinks:
    """Read the sinks of a home. A value of the file that is `{env: NAME}` is taken from `environ`.

    Raises: AlertError naming the file and what is wrong in it; a secret is never quoted.
    """
    declared = _of_environment(settings)
    if settings.alert_sinks.exists() or environ.get("MLOPS_ALERT_SINKS"):
        declared |= _read(settings.alert_sinks, environ)
    return AlertSinks.of(declared)


def _of_environment(settings: Settings) -> dict[str, Webhook | Slack | Email]:
    declared: dict[str, Webhook | Slack | Email] = {}
    if settings.alert_webhook:
        declared["webhook"] = Webhook(kind="webhook", url=settings.alert_webhook)
    if settings.alert_slack:
        declared["slack"] = Slack(kind="slack", url=settings.alert_slack)
    return declared


def _read(file: Path, environ: Mapping[str, str]) -> dict[str, Webhook | Slack | Email]:
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{file}:{mark.line + 1}" if mark else str(file)
        raise AlertError(f"{where}: it is no valid YAML") from None  # the error quotes lines of the file
    except (OSError, UnicodeDecodeError) as error:
        raise AlertError(f"{file} cannot be read: {type(error).__name__}") from error
    if not isinstance(document, dict) or set(document) != {"sinks"}:
        raise AlertError(f"{file}: it needs one key, sinks, with a section per sink by name")
    problems: list[str] = []
    taken = _from_environment(document["sinks"], environ, "sinks", problems)
    if problems:
        raise AlertError("\n".join(f"{file}: {problem}" for problem in problems))
    try:
        found = TypeAdapter(dict[Name, Declared]).validate_python(taken)
    except ValidationError as error:
        told = [
            f"{file}: sinks.{'.'.join(str(part) for part in detail['loc'])}: {detail['msg']}"
            for detail in error.errors(include_url=False, include_input=False)
        ]
        raise AlertError("\n".join(told)) from None  # the error quotes what was found, which may be a secret
    if LOG in found:
        raise AlertError(f"{file}: sinks.{LOG}: every home has this sink: take another name")
    return dict(found)


def _from_environment(value: Any, environ: Mapping[str, str], where: str, problems: list[str]) -> Any:
    if isinstance(value, dict) and set(value) == {"env"}:
        name = str(value["env"])
        if not environ.get(name):
            problems.append(f"{where}: the environment variable {name} is not set")
        return environ.get(name, "")
    if isinstance(value, dict):
        return {
            key: _from_environment(inner, environ, f"{where}.{key}", problems) for key, inner in value.items()
        }
    return value


def _made(declared: Webhook | Slack | Email) -> Sink:
    if isinstance(declared, Webhook):
        return WebhookSink(declared.url, declared.token)
    if isinstance(declared, Slack):
        return SlackSink(declared.url)
    return EmailSink(
        host=declared.host,
        port=declared.port or _PORTS[declared.security],
        sender=declared.sender,
        recipients=declared.recipients,
        security=declared.security,
        user=declared.user,
        password=declared.password,
        ca_file=declared.ca_file,
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
