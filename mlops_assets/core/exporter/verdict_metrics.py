"""Numbers of what monitoring found: how many findings are in which state, and the values of declared columns."""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

import polars as pl

from mlops_assets.core.exporter.metric import Metric, Sample
from mlops_assets.core.lakehouse.tables import DeltaTables

TABLE = "verdicts"
DAY = "event_date"
MAXIMUM_SUBJECTS = 200
"""Per product and topic; of more, those with the largest consequence are shown."""
STATES = ("ok", "inconclusive", "alarm")
FINDINGS = Metric(
    name="mlops_verdict_findings",
    meaning="Findings of a topic's newest window by state: ok, inconclusive or alarm.",
    labels=("product", "topic", "state"),
    bound="products × 12 topics × 3 states",
)
BROKEN = Metric(
    name="mlops_verdict_broken_findings",
    meaning="Alarms of a topic's newest window that name a broken source.",
    labels=("product", "topic"),
    bound="products × 12 topics",
)
WINDOW_END = Metric(
    name="mlops_verdict_window_end_timestamp_seconds",
    meaning="End of a topic's newest window: the midnight, UTC, after its last day.",
    labels=("product", "topic"),
    bound="products × 12 topics",
)
_OF_SUBJECT = ("product", "topic", "subject")
_SUBJECTS = f"products × 12 topics × declared columns and metrics, at most {MAXIMUM_SUBJECTS} each"
VALUE = Metric(
    name="mlops_verdict_value",
    meaning="What was measured of a declared column or metric in the topic's newest window.",
    labels=_OF_SUBJECT,
    bound=_SUBJECTS,
)
LIMIT = Metric(
    name="mlops_verdict_limit",
    meaning="The value at which the finding alarms.",
    labels=_OF_SUBJECT,
    bound=_SUBJECTS,
)
LEFT_OUT = Metric(
    name="mlops_verdict_subjects_left_out",
    meaning="Subjects of newest windows without a series of their own: of no declared name, or too many.",
)
METRICS = (FINDINGS, BROKEN, WINDOW_END, VALUE, LIMIT, LEFT_OUT)


@dataclass(frozen=True)
class NewestFindings:
    """The findings of every topic's newest window; the table is read again when it has changed."""

    tables: DeltaTables
    _known: dict[str, tuple[int | None, pl.DataFrame]] = field(default_factory=dict)

    def of(self, product: str) -> pl.DataFrame:
        """Return the rows of `verdicts` that are of their topic's newest window; none where nothing was judged.

        Raises: TableError when the lakehouse does not answer.
        """
        version = self.tables.version(product, TABLE)
        known = self._known.get(product)
        if known is None or known[0] != version:
            known = version, pl.DataFrame() if version is None else self._read(product)
            self._known[product] = known
        return known[1]

    def _read(self, product: str) -> pl.DataFrame:
        rows = self.tables.scan(product, TABLE)
        if DAY not in rows.collect_schema():
            return rows.collect()
        newest = rows.group_by("topic").agg(pl.col(DAY).max())
        return rows.join(newest, on=["topic", DAY], how="semi").collect()


def verdict_samples(product: str, findings: pl.DataFrame, *, declared: Collection[str]) -> Iterator[Sample]:
    """Yield the numbers of a product's newest findings.

    product: whose. findings: rows of `verdicts`. declared: names of columns and metrics that may be a label's value;
    any other subject is counted, not named, since a finding's subject is text that grows with the data.
    """
    left_out = 0
    for (topic,), rows in findings.partition_by("topic", as_dict=True).items() if findings.height else ():
        counts = Counter(rows["state"].to_list())
        for state in STATES:
            yield FINDINGS.of(counts[state], product, topic, state)
        is_broken = (pl.col("state") == "alarm") & (pl.col("cause") == "broken")
        yield BROKEN.of(rows.filter(is_broken).height, product, topic)
        if DAY in rows.columns:
            yield WINDOW_END.of(_after(rows[DAY].max()), product, topic)
        shown = _named(rows, declared)
        left_out += rows["subject"].n_unique() - shown.height
        for row in shown.iter_rows(named=True):
            for metric, number in ((VALUE, row["value"]), (LIMIT, row["limit"])):
                if number is not None:
                    yield metric.of(number, product, topic, row["subject"])
    if findings.height:
        yield LEFT_OUT.of(left_out, product)


def _named(rows: pl.DataFrame, declared: Collection[str]) -> pl.DataFrame:
    """One row per subject of a declared name; of several findings about it the one of the largest consequence."""
    ranked = rows.filter(pl.col("subject").is_in(list(declared))).sort(
        pl.col("consequence").fill_null(0.0), "subject", descending=[True, False], maintain_order=True
    )
    return ranked.unique("subject", keep="first", maintain_order=True).head(MAXIMUM_SUBJECTS)


def _after(day: object) -> float:
    if not isinstance(day, date):
        return float("nan")
    return datetime.combine(day + timedelta(days=1), time(), UTC).timestamp()
