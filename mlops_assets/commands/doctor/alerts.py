"""Doctor: whether people are told: sinks, what waits for them, and when somebody last looked."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from mlops_assets.catalogue import product_names, read_product_spec
from mlops_assets.commands.alerts.command import alert_standing
from mlops_assets.commands.doctor.check import Check
from mlops_assets.core.alerts.declared_sinks import LOG, alert_sinks
from mlops_assets.core.alerts.rules import rules_of
from mlops_assets.core.errors import ProductSpecError
from mlops_assets.core.files import OTHERS
from mlops_assets.core.settings import Settings

AREA = "alerts"


def alert_checks(settings: Settings, environ: Mapping[str, str], *, now: datetime) -> Iterator[Check]:
    """Check the sinks and the outbox; nothing is sent or made.

    Raises: AlertError when the sinks cannot be read.
    """
    whole = alert_sinks(settings, environ)
    sinks = whole.sinks
    others = [name for name in sinks if name != LOG]
    file = settings.alert_sinks
    if not others:
        action = (
            f"set MLOPS_ALERT_SLACK or MLOPS_ALERT_WEBHOOK, or write {file}; then `mlops alerts test SINK`"
        )
        yield Check(AREA, "alerts", "warning", "alerts go to the log only", action)
    else:
        told = f"alerts go to the log and to {', '.join(others)}; `mlops alerts test SINK` tries one"
        yield Check(AREA, "alerts", "ok", told)
    if file.is_file() and file.stat().st_mode & OTHERS:
        yield Check(AREA, "file of sinks", "warning", f"{file} may be read by others", f"chmod 600 {file}")
    for name, one in whole.declared.items():
        unknown = sorted(set(one.products or ()) - set(product_names()))
        if unknown:
            told = f"sink {name} is for {', '.join(unknown)}, and there is no such product"
            yield Check(AREA, "products of sinks", "warning", told, f"correct {file}")
    for name, wanted in _missing(sinks):
        told = f"rules of {name} name {', '.join(wanted)}, which this home does not have: their alerts wait"
        yield Check(AREA, "rules", "warning", told, f"declare them in {file}, or change the rules")
    yield from _outbox_checks(settings, now=now)


def _missing(sinks: Mapping[str, object]) -> Iterator[tuple[str, list[str]]]:
    for name in product_names():
        try:
            rules = rules_of(read_product_spec(name))
        except ProductSpecError:
            continue  # the product's own check says it
        wanted = sorted({sink for rule in rules for sink in rule.sinks or ()} - set(sinks))
        if wanted:
            yield name, wanted


def _outbox_checks(settings: Settings, *, now: datetime) -> Iterator[Check]:
    standing = alert_standing(settings)
    problems = list(standing.problems(now=now))
    for problem in problems:
        status = "failed" if standing.unreadable else "warning"
        yield Check(AREA, "outbox", status, problem, "see `mlops alerts list`")
    if not problems:
        looked = (
            f"last looked at {standing.looked_at:%Y-%m-%d %H:%M} UTC"
            if standing.looked_at
            else "not used yet"
        )
        yield Check(AREA, "outbox", "ok", f"{len(standing.open_alerts)} open alerts, none waits; {looked}")
