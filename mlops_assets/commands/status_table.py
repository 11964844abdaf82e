"""Shows the status of products as a table for people."""

from collections.abc import Sequence
from datetime import datetime

from rich.console import Console
from rich.table import Column, Table

from mlops_assets.commands.plain_text import plain
from mlops_assets.commands.product_status import Estimate, ProductStatus
from mlops_assets.core.alerts.message import one_line
from mlops_assets.core.alerts.standing import AlertStanding
from mlops_assets.core.release.words import shown

SHOWN_DIGITS = 12
"""Of a digest."""
SHOWN_ALERTS = 10
_SEVERITY = {"info": "white", "warning": "yellow", "critical": "red"}
_ANY_WIDTH = 10_000
_COLOURS = {
    "pass": "green",
    "fail": "red",
    "inconclusive": "yellow",
    "stable": "green",
    "drift": "red",
    "degraded": "red",
}


def print_status(statuses: Sequence[ProductStatus], *, console: Console) -> None:
    """Print one row per fact and one column per product, side by side only where no line has to be broken."""
    together = _table(statuses)
    if (
        console.measure(together, options=console.options.update(max_width=_ANY_WIDTH)).maximum
        <= console.width
    ):
        console.print(together)
    else:
        for status in statuses:
            console.print(_table([status]))
    for status in statuses:
        for problem in status.mirror_problems:
            console.print(f"{status.product}: MLflow: {plain(problem)}", soft_wrap=True, highlight=False)
        for what, where in status.places.items():
            console.print(f"{status.product} {what}: {plain(where)}", soft_wrap=True, highlight=False)


def print_alerts(standing: AlertStanding, *, now: datetime, console: Console) -> None:
    """Print a line per open alert, and what keeps people from being told."""
    for one in standing.open_alerts[:SHOWN_ALERTS]:
        about = f"{one.key.product}: {one.key.rule}" if one.key.product else one.key.rule
        line = f"alert since {shown(one.opened_at)}: {about}: {one.key.subject}: {one.told.reason}"
        console.print(
            plain(one_line(line)), style=_SEVERITY[one.told.severity], soft_wrap=True, highlight=False
        )
    if len(standing.open_alerts) > SHOWN_ALERTS:
        more = len(standing.open_alerts) - SHOWN_ALERTS
        console.print(f"and {more} more alerts: mlops alerts list", soft_wrap=True, highlight=False)
    for problem in standing.problems(now=now):
        console.print(f"alerts: {plain(problem)}", style="yellow", soft_wrap=True, highlight=False)


def _table(statuses: Sequence[ProductStatus]) -> Table:
    table = Table("", *(Column(status.product, overflow="fold") for status in statuses), show_lines=True)
    table.add_row("rows, rejected", *(f"{_number(s.rows)}, {_number(s.rejected_rows)}" for s in statuses))
    table.add_row("newest event", *(_newest_event(s) for s in statuses))
    table.add_row("newest label", *(_time(s.newest_label) for s in statuses))
    table.add_row("metric", *(_metrics(s) for s in statuses))
    table.add_row("gates", *(_gates(s) for s in statuses))
    table.add_row("newest version", *(_number(s.newest_version) for s in statuses))
    table.add_row("released version", *(_released(s) for s in statuses))
    table.add_row("served predictions", *(_served(s) for s in statuses))
    table.add_row("drift", *(_verdict(s.drift) for s in statuses))
    table.add_row("performance", *(_verdict(s.performance) for s in statuses))
    return table


def _number(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _time(iso: str | None) -> str:
    return "–" if iso is None else shown(datetime.fromisoformat(iso))


def _newest_event(status: ProductStatus) -> str:
    if status.newest_event is None:
        return "–"
    lag = "[green]up to date[/]"
    if status.days_behind:
        lag = f"[yellow]behind by {status.days_behind} days[/]"
    return f"{_time(status.newest_event)}\n{lag}"


def _metrics(status: ProductStatus) -> str:
    lines = [f"{status.primary_metric} on test rows"] + [_estimate(estimate) for estimate in status.metrics]
    return "\n".join(lines) if status.metrics else "–"


def _estimate(estimate: Estimate) -> str:
    interval = "" if estimate.low is None else f" \\[{estimate.low:.3f}, {estimate.high:.3f}]"
    return f"{plain(estimate.contender)} {estimate.value:.3f}{interval}"


def _gates(status: ProductStatus) -> str:
    if not status.gates:
        return "–"
    judged = [f"{name}: {_verdict(verdict)}" for name, verdict in status.gates.items()]
    return "\n".join([f"of version {status.newest_version}", *judged])


def _released(status: ProductStatus) -> str:
    if status.released_version is None:
        return "none"
    times = {
        "champion since": status.released_at,
        "trained at": status.trained_at,
        "knows data until": status.model_as_of,
    }
    told = [f"{what}\n  {_time(at)}" for what, at in times.items() if at]
    if status.made_from:
        told.append(f"made from\n  {status.made_from[:SHOWN_DIGITS]}")
    return "\n".join([f"version {status.released_version}", *told, status.plan or ""])


def _served(status: ProductStatus) -> str:
    newest = (
        f"newest collected\n  {_time(status.newest_served)}" if status.newest_served else "none collected"
    )
    waiting = "" if status.waiting_records is None else f"\n{status.waiting_records:,} waiting"
    states = "" if not status.online_states else f"\n{status.online_states:,} entities online"
    return f"{newest}{waiting}{states}"


def _verdict(text: str | None) -> str:
    if text is None:
        return "–"
    colour = _COLOURS.get(text.split()[0], "white")
    return f"[{colour}]{plain(text)}[/]"
