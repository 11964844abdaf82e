"""One look at everything that people should know: rules over verdicts, runs, checks, ticks; then the delivery."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, lru_cache, partial

import dagster as dg

from mlops_assets.automation.alerts.failed_runs import RunsLook, new_runs, run_conditions
from mlops_assets.automation.alerts.failed_ticks import (
    TICK_FAILURE,
    parse_seen,
    shown_seen,
    tick_conditions,
)
from mlops_assets.catalogue import PRODUCTS_FOLDER, read_product_spec
from mlops_assets.core.alerts.conditions import conditions_of
from mlops_assets.core.alerts.declared_sinks import AlertSinks, alert_sinks
from mlops_assets.core.alerts.desk import AlertDesk
from mlops_assets.core.alerts.evidence import evidence_version, latest_windows
from mlops_assets.core.alerts.lifecycle import Condition, Key
from mlops_assets.core.alerts.outbox import FILE, LOOKED_AT, Outbox
from mlops_assets.core.alerts.rules import RUNBOOK_PAGE, Rule, rules_digest, rules_of
from mlops_assets.core.declared.alerts import FAILURES
from mlops_assets.core.errors import AlertError, ProductSpecError
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.monitoring.reports import report_path
from mlops_assets.core.product_spec import ProductSpec
from mlops_assets.core.settings import Settings

ALERTS_FAILED = "alerts_failed"
"""Rule of the alert about a part of a look that raised; its subject is the part."""
_RUNS, _TICKS = "runs", "ticks"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Looked:
    """What a look found and did."""

    told: int
    """New messages."""
    delivered: int
    undelivered: int
    """Messages that wait, of all sinks together."""
    failed: Mapping[str, str]
    """Parts that raised, with the class of the error."""


@dataclass(frozen=True)
class Watch:
    """What is watched, and with what."""

    settings: Settings
    environ: Mapping[str, str]
    products: tuple[str, ...]
    tables: DeltaTables
    instance: dg.DagsterInstance

    def look(self, *, clock: Callable[[], datetime]) -> Looked:
        """Look at every part, keep what is to be said, and deliver what is due.

        A part that raises is told as an alert of its own, and the other parts are looked at all the same.

        Raises: AlertError when the outbox or the declaration of the sinks cannot be used; then nothing is taken in, so
        that the next look finds it, and the log and what sinks there are have been told.
        """
        outbox = Outbox(self.settings.home / FILE)
        try:
            sinks = alert_sinks(self.settings, self.environ)
        except AlertError as error:
            self._tell_of_broken_sinks(outbox, error, clock=clock)
            raise
        desk = AlertDesk(outbox, sinks)
        try:
            return self._look(desk, clock)
        except AlertError:
            desk.cry(now=clock())
            raise

    def _look(self, desk: AlertDesk, clock: Callable[[], datetime]) -> Looked:
        failed, told = {}, 0
        readable = Condition(key=_key("the sinks"), state="clear", reason="they can be read again")
        desk.record([readable], now=clock())
        for name, part in self._parts().items():
            try:
                conditions, notes = part(desk.outbox, clock())
                fine = Condition(key=_key(name), state="clear", reason="it can be looked at again")
                told += len(desk.record([*conditions, fine], now=clock(), notes=notes))
            except Exception as error:  # one product's trouble must not silence the others
                logger.exception("alerts: %s could not be looked at", name)
                failed[name] = type(error).__name__
                told += len(desk.record([_failed(_key(name), error)], now=clock()))
        attempts = desk.deliver(clock=clock)
        desk.record((), now=clock(), notes={LOOKED_AT: clock().isoformat()})
        delivered = sum(one.outcome.state == "delivered" for one in attempts)
        return Looked(told, delivered, len(desk.outbox.waiting()), failed)

    def _parts(self) -> dict[str, Callable[[Outbox, datetime], tuple[Iterable[Condition], dict[str, str]]]]:
        of_products = {
            f"rules of {name}": lambda outbox, now, name=name: self._rules(outbox, name)
            for name in self.products
        }
        return {
            "runs": self._failed_runs,
            "sensors and schedules": self._failed_ticks,
            "products": self._products_no_more,
            **of_products,
        }

    def _failed_runs(self, outbox: Outbox, now: datetime) -> tuple[list[Condition], dict[str, str]]:
        noted = outbox.notes().get(_RUNS)
        look = RunsLook.parse(noted) if noted else RunsLook(now)
        records, after = new_runs(self.instance, look)
        conditions = run_conditions(
            self.instance,
            records,
            open_keys=outbox.open_alerts(),
            rule_of=cache(self._rule_of),
            ui_url=self.settings.dagster_ui_url,
        )
        return list(conditions), {_RUNS: after.text}

    def _failed_ticks(self, outbox: Outbox, now: datetime) -> tuple[tuple[Condition, ...], dict[str, str]]:
        seen = parse_seen(outbox.notes().get(_TICKS))
        conditions, seen = tick_conditions(self.instance, seen, now=now, ui_url=self.settings.dagster_ui_url)
        return conditions, {_TICKS: shown_seen(seen)}

    def _products_no_more(self, outbox: Outbox, now: datetime) -> tuple[list[Condition], dict[str, str]]:
        gone = [key for key in outbox.open_alerts() if key.product and key.product not in self.products]
        watched = [key for key in gone if key.rule not in (*FAILURES, TICK_FAILURE)]
        return [Condition(key=key, state="clear", reason="the product is no more") for key in watched], {}

    def _rules(self, outbox: Outbox, product: str) -> tuple[tuple[Condition, ...], dict[str, str]]:
        spec = _declaration(product)
        rules = rules_of(spec)
        judged = f"{evidence_version(self.tables, product)} {rules_digest(rules)}"
        note = f"judged {product}"
        if outbox.notes().get(note) == judged:
            return (), {}
        conditions = conditions_of(
            product,
            rules,
            latest_windows(self.tables, product, rules),
            open_keys=outbox.open_alerts(),
            page_of=partial(self._page_of, product),
            remind_after=timedelta(hours=spec.alerts.remind_hours),
        )
        return conditions, {note: judged}

    def _page_of(self, product: str, window: str) -> str:
        """Return where a window is read about: its own page where there is one, else the asset's in Dagster."""
        page = report_path(self.settings.reports, product=product, kind="verdicts", window=window)
        if page.is_file():
            return f"{self.settings.reports_url}/{page.relative_to(self.settings.reports).as_posix()}"
        return f"{self.settings.dagster_ui_url}/assets/{product}/verdicts"

    def _rule_of(self, product: str, name: str) -> Rule | None:
        """The rule of a product's runs or checks; of no product, or of one that cannot be read, as it stands."""
        page = Rule(name=name, severity="critical", runbook=f"{RUNBOOK_PAGE}#{name.replace('_', '-')}")
        if product not in self.products:
            return page
        try:
            rules = rules_of(_declaration(product))
        except ProductSpecError:
            return page
        return next((rule for rule in rules if rule.name == name), None)

    def _tell_of_broken_sinks(
        self, outbox: Outbox, error: AlertError, *, clock: Callable[[], datetime]
    ) -> None:
        logger.error("alerts cannot be routed: %s", error)
        only_environment = AlertSinks.of_environment(self.settings)
        desk = AlertDesk(outbox, only_environment)
        try:
            desk.record([_failed(_key("the sinks"), error)], now=clock())
            desk.deliver(clock=clock)
        except AlertError:
            desk.cry(now=clock())
            raise


def _declaration(product: str) -> ProductSpec:
    """The declaration as its file is now."""
    try:
        changed = (PRODUCTS_FOLDER / product / "defs.yaml").stat().st_mtime_ns
    except OSError:
        return read_product_spec(product)  # which says what is missing
    return _declaration_of(product, changed)


@lru_cache(maxsize=1000)
def _declaration_of(product: str, changed: int) -> ProductSpec:
    """A declaration is read once per change: of a look at a product that has no news, YAML took nine tenths."""
    return read_product_spec(product)


def _key(part: str) -> Key:
    return Key("", ALERTS_FAILED, part)


def _failed(key: Key, error: Exception) -> Condition:
    reason = (
        f"{type(error).__name__}: alerts of this part may be missing until it is mended; the log says more"
    )
    return Condition(key=key, state="firing", reason=reason, runbook=f"{RUNBOOK_PAGE}#alerts-failed")
