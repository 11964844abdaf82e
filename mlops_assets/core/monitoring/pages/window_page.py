"""The page of one window: the verdict, why, the worst columns, all findings, and where to look further."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from mlops_assets.core.declared.alerts import Topic
from mlops_assets.core.monitoring.drift.windows import ComparedColumn
from mlops_assets.core.monitoring.finding import Finding, State
from mlops_assets.core.monitoring.pages.column_picture import column_figure
from mlops_assets.core.monitoring.pages.headline import TOPICS, by_topic, headline, ranked
from mlops_assets.core.monitoring.pages.markup import NOTHING, counted, document, fill, joined, number

WORST_COLUMNS = 3
_MOST_REASONS = 10
_MOST_OPEN = 3
"""Reasons of one topic that cannot tell yet."""
_MOST_ROWS = 60
"""Rows of a topic's table; a page stays small however many columns a product has."""
_STATES: Mapping[State, str] = {"ok": "ok", "alarm": "▲ alarm", "inconclusive": "? inconclusive"}
"""Told apart without colour, too."""


@dataclass(frozen=True, kw_only=True)
class FurtherPage:
    """Evidently's page of one report of the window."""

    title: str
    address: str | None
    """Relative to the window's page; None where none was drawn."""
    command: str
    """Draws it."""
    differences: tuple[str, ...] = ()
    """Where its numbers and ours differ."""


@dataclass(frozen=True, kw_only=True)
class WindowFacts:
    """What a window's page says besides its findings."""

    product: str
    title: str
    """The product's, for people."""
    name: str
    """The window's: its last day."""
    days: str
    """First and last day."""
    version: int
    as_of: str
    reference: str
    """What the window is compared with."""
    false_alarms: float
    """Promised number in a quarter."""
    could_tell_from: str
    """As-of day from which a version has enough history."""
    further: tuple[FurtherPage, ...] = ()


def window_page(
    facts: WindowFacts,
    findings: Sequence[Finding],
    worst: Sequence[tuple[Finding, ComparedColumn]],
    *,
    links: Markup,
) -> str:
    """Return the page as text; the same arguments give the same bytes.

    facts: of the window. findings: all that is said of it. worst: the columns that are drawn. links: to other windows.
    """
    verdict = headline(findings)
    summary = f"{facts.name}: {verdict.words}"
    body = joined(
        links,
        fill("<h1>{title}: {days}</h1>", title=facts.title, days=facts.days),
        fill('<p class="verdict {state}">{words}.</p>', state=verdict.state, words=verdict.words),
        _reasons(findings),
        _open_questions(findings, facts),
        _worst(worst),
        _tables(findings),
        _further(facts.further),
        _facts(facts),
    )
    return document(title=f"{facts.product} {facts.name}", summary=summary, body=body)


def _reasons(findings: Sequence[Finding]) -> Markup:
    alarms = [one for one in ranked(findings) if one.state == "alarm"]
    if not alarms:
        return NOTHING
    items = joined(*(_reason(one) for one in alarms[:_MOST_REASONS]))
    return fill("<h2>Why</h2><ol>{items}</ol>{more}", items=items, more=_more(len(alarms) - _MOST_REASONS))


def _reason(finding: Finding) -> Markup:
    cause = f", {finding.cause}" if finding.cause else ""
    return fill(
        "<li><b>{subject}</b> ({topic}{cause}): {reason}.</li>",
        subject=finding.subject,
        topic=TOPICS[finding.topic].lower(),
        cause=cause,
        reason=finding.reason.rstrip("."),
    )


def _more(number_left_out: int) -> Markup:
    if number_left_out <= 0:
        return NOTHING
    return fill("<p>{more} in the tables below.</p>", more=counted(number_left_out, "more reason"))


def _open_questions(findings: Sequence[Finding], facts: WindowFacts) -> Markup:
    topics: dict[Topic, list[Finding]] = {
        topic: [one for one in group if one.state == "inconclusive"]
        for topic, group in by_topic(findings).items()
    }
    items = []
    for topic, group in topics.items():
        items += [_reason(one) for one in group[:_MOST_OPEN]]
        if len(group) > _MOST_OPEN:
            more = f"{TOPICS[topic]}: {len(group) - _MOST_OPEN} more"
            items.append(fill("<li>{more}, in the table below.</li>", more=more))
    if not items:
        return NOTHING
    moved = (*topics.get("drift", ()), *topics.get("prediction_drift", ()))
    is_short = any(one.limit is None and one.value is not None for one in moved)
    when = (
        fill(
            "<p>A version made as of {day} or later has enough history to judge columns.</p>",
            day=facts.could_tell_from,
        )
        if is_short
        else NOTHING
    )
    return fill("<h2>What cannot be told yet</h2><ul>{items}</ul>{when}", items=joined(*items), when=when)


def _worst(worst: Sequence[tuple[Finding, ComparedColumn]]) -> Markup:
    if not worst:
        return NOTHING
    drawn = joined(
        *(
            fill(
                '<section><h3>{subject} <span class="state {state}">{word}</span></h3>{figure}</section>',
                subject=finding.subject,
                state=finding.state,
                word=_STATES[finding.state],
                figure=column_figure(finding, compared),
            )
            for finding, compared in worst
        )
    )
    return fill('<h2>Columns of the largest consequence</h2><div class="grid">{drawn}</div>', drawn=drawn)


def _tables(findings: Sequence[Finding]) -> Markup:
    return joined(*(_table(TOPICS[topic], group) for topic, group in by_topic(findings).items()))


def _table(title: str, group: Sequence[Finding]) -> Markup:
    heads = ("what", "state", "value", "usual", "limit", "consequence", "why")
    left_out = len(group) - _MOST_ROWS
    more = (
        fill("<p>{left} more in the table <code>verdicts</code>.</p>", left=f"{left_out:,}")
        if left_out > 0
        else NOTHING
    )
    return fill(
        '<h2>{title}</h2><table class="findings"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>{more}',
        title=title,
        heads=joined(*(fill('<th scope="col">{head}</th>', head=head) for head in heads)),
        rows=joined(*(_row(one) for one in group[:_MOST_ROWS])),
        more=more,
    )


def _row(finding: Finding) -> Markup:
    interval = (
        f" [{number(finding.low)}, {number(finding.high)}]"
        if finding.low is not None or finding.high is not None
        else ""
    )
    day = f" on {finding.partition}" if finding.partition else ""
    numbers = {
        "value": f"{number(finding.value)}{interval}",
        "usual": number(finding.expected),
        "limit": number(finding.limit),
        "consequence": number(finding.consequence),
    }
    return fill(
        '<tr><td><b>{subject}</b>{day}</td><td class="state {state}">{word}</td>{numbers}<td>{reason}</td></tr>',
        subject=finding.subject,
        day=day,
        state=finding.state,
        word=_STATES[finding.state],
        numbers=joined(
            *(
                fill('<td class="number" data-of="{of}">{shown}</td>', of=name, shown=shown)
                for name, shown in numbers.items()
            )
        ),
        reason=f"{finding.reason} ({finding.cause})" if finding.cause else finding.reason,
    )


def _further(further: Sequence[FurtherPage]) -> Markup:
    if not further:
        return NOTHING
    return fill(
        "<h2>Look further</h2><ul>{items}</ul>", items=joined(*(_further_item(one) for one in further))
    )


def _further_item(page: FurtherPage) -> Markup:
    if page.address is None:
        return fill(
            "<li>{title}: not drawn for this window. <code>{command}</code> draws it and makes this page again.</li>",
            title=page.title,
            command=page.command,
        )
    warnings = joined(
        *(fill('<p class="warning">Warning: {words}</p>', words=words) for words in page.differences)
    )
    return fill(
        '<li><a href="{address}">{title}</a>{warnings}</li>',
        address=page.address,
        title=page.title,
        warnings=warnings,
    )


def _facts(facts: WindowFacts) -> Markup:
    promise = (
        f"at most {counted_number(facts.false_alarms)} a quarter, if nothing happens (key "
        "monitoring.false_alarms_per_quarter)"
    )
    told = {
        "Product": facts.product,
        "Window": f"{facts.days} (UTC), named by its last day",
        "Version": f"{facts.version}, made as of {facts.as_of}",
        "Compared with": facts.reference,
        "Promise": promise,
        "All digits": f"table verdicts of {facts.product}, event_date {facts.name}",
    }
    items = joined(
        *(fill("<dt>{name}</dt><dd>{value}</dd>", name=name, value=value) for name, value in told.items())
    )
    return fill("<h2>About this page</h2><dl>{items}</dl>", items=items)


def counted_number(false_alarms: float) -> str:
    """Return a promised number of false alarms in words."""
    return "one false alarm" if false_alarms == 1.0 else f"{false_alarms:g} false alarms"
