"""The requests of `benchmarks.parity`, and what the lakehouse learns meanwhile, on a clock of its own.

Requests come in shuffled batches: an event arrives minutes after it happened, some days after, some are sent twice, and
times are rounded, so that ties are common. At each midnight the lakehouse learns the day's events, labels, some of them
late, and corrections of both. Nothing here reads a clock or draws unseeded.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import polars as pl

from mlops_assets.core.features.online.event import Event
from mlops_assets.core.product import Product
from mlops_assets.products.fraud_detection.simulator import Simulation, simulate_day

LATE_SHARE, TWICE_SHARE, CORRECTED_SHARE = 0.02, 0.02, 0.01
LARGEST_BATCH = 8


@dataclass(frozen=True)
class Request:
    """Events that are sent together, and the server's clock when they arrive, in microseconds."""

    events: list[Event]
    received_at: int


@dataclass(frozen=True)
class Stream:
    """Transactions: those before `first_day` are history, those from then on are served."""

    simulation: Simulation
    first_day: date
    rounding: str = "10m"
    seed: int = 0

    @property
    def days(self) -> list[date]:
        """The days that are served."""
        end = self.simulation.start_date + timedelta(days=self.simulation.days)
        return [self.first_day + timedelta(days=n) for n in range((end - self.first_day).days)]

    def transactions(self) -> pl.DataFrame:
        """All of them, with when each label, its correction and the event's own correction become known.

        The lakehouse knows an event that is served at the midnight after it, earlier ones as they happen, and a label
        at a midnight at least seven days after its event. `label_corrected_at` and `corrected_at` are null where
        nothing is corrected.
        """
        days = [simulate_day(self.simulation, number) for number in range(self.simulation.days)]
        rows = pl.concat(days).with_columns(pl.col("event_timestamp").dt.truncate(self.rounding))
        draw = np.random.default_rng(self.seed)
        late = pl.Series(draw.exponential(0.7, rows.height)) + 7.0
        later = pl.Series(draw.exponential(2.0, rows.height))
        is_corrected, is_relabelled = (
            pl.Series(draw.random(rows.height) < CORRECTED_SHARE) for _ in range(2)
        )
        label_known = _midnight_after(pl.col("event_timestamp") + _days(late))
        landed = _midnight_after(pl.col("event_timestamp"))
        is_served = pl.col("event_timestamp") >= datetime.combine(self.first_day, time(), UTC)
        return rows.with_columns(
            label_known_at=label_known,
            label_corrected_at=pl.when(is_relabelled).then(_midnight_after(label_known + _days(later))),
            known_at=pl.when(is_served).then(landed).otherwise("event_timestamp"),
            corrected_at=pl.when(is_corrected).then(_midnight_after(landed + _days(later))),
        )


def _days(count: pl.Series) -> pl.Expr:
    return pl.duration(microseconds=pl.lit((count * 86_400e6).cast(pl.Int64)))


def _midnight_after(moment: pl.Expr) -> pl.Expr:
    return moment.dt.truncate("1d") + timedelta(days=1)


def event_versions(transactions: pl.DataFrame) -> pl.DataFrame:
    """The lakehouse's events and their corrections, another amount."""
    columns = ("transaction_id", "event_timestamp", "customer_id", "terminal_id", "amount_usd")
    first = transactions.select(*columns, "known_at")
    corrected = transactions.filter(pl.col("corrected_at").is_not_null()).select(
        *columns, known_at="corrected_at"
    )
    return pl.concat([first, corrected.with_columns(amount_usd=(pl.col("amount_usd") * 2).round(2))])


def label_versions(transactions: pl.DataFrame) -> pl.DataFrame:
    """The lakehouse's labels, and their corrections, the other outcome."""
    first = transactions.select("transaction_id", "event_timestamp", "is_fraud", known_at="label_known_at")
    corrected = transactions.filter(pl.col("label_corrected_at").is_not_null()).select(
        "transaction_id", "event_timestamp", is_fraud=1 - pl.col("is_fraud"), known_at="label_corrected_at"
    )
    return pl.concat([first, corrected])


def requests_by_day(
    product: Product, transactions: pl.DataFrame, *, first_day: date, seed: int
) -> Mapping[date, list[Request]]:
    """The requests by the day on which they arrive, in the order of arrival; a day is until its midnight.

    Every event is sent once, LATE_SHARE of them up to three days late, and TWICE_SHARE a second time.
    """
    draw = np.random.default_rng((seed, 1))
    start = datetime.combine(first_day, time(), UTC)
    served = transactions.filter(pl.col("event_timestamp") >= start)
    minutes = draw.exponential(20.0, served.height)
    is_late = draw.random(served.height) < LATE_SHARE
    minutes[is_late] += draw.uniform(0, 3 * 24 * 60, int(is_late.sum()))
    arrival = served["event_timestamp"].dt.timestamp("us").to_numpy() + (minutes * 60e6).astype(np.int64)
    events = list(_wire_events(product, served))
    twice = np.flatnonzero(draw.random(served.height) < TWICE_SHARE)
    again = arrival[twice] + (draw.exponential(60.0, twice.size) * 60e6).astype(np.int64)
    sent = [
        *zip(arrival.tolist(), events, strict=True),
        *zip(again.tolist(), (events[i] for i in twice), strict=True),
    ]
    sent.sort(key=lambda pair: pair[0])
    by_day: dict[date, list[Request]] = {}
    for request in _batches(sent, draw):
        day = datetime.fromtimestamp(request.received_at / 1e6, UTC).date()
        by_day.setdefault(day, []).append(request)
    return by_day


def _batches(sent: list[tuple[int, Event]], draw: np.random.Generator) -> Iterator[Request]:
    """Cut the stream into batches of 1 to LARGEST_BATCH events of one day, shuffled, each event once in a batch."""
    position, day = 0, 86_400_000_000
    while position < len(sent):
        size = int(draw.integers(1, LARGEST_BATCH + 1))
        batch = [
            pair for pair in sent[position : position + size] if pair[0] // day == sent[position][0] // day
        ]
        position += len(batch)
        distinct = list({event["transaction_id"]: event for _, event in batch}.values())
        draw.shuffle(distinct)  # pyright: ignore[reportArgumentType]
        yield Request(distinct, batch[-1][0])


def cohort_requests(product: Product, events: pl.DataFrame, *, seed: int, start: datetime) -> list[Request]:
    """Every row of a cohort once, TWICE_SHARE of them again, shuffled, in batches a second apart."""
    draw = np.random.default_rng((seed, 2))
    sent = list(_wire_events(product, events))
    sent += [sent[i] for i in np.flatnonzero(draw.random(len(sent)) < TWICE_SHARE)]
    draw.shuffle(sent)  # pyright: ignore[reportArgumentType]
    key, received = product.spec.id_column, int(start.timestamp() * 1e6)
    requests = []
    while sent:
        size = int(draw.integers(1, LARGEST_BATCH + 1))
        batch, sent = sent[:size], sent[size:]
        requests.append(Request(list({event[key]: event for event in batch}.values()), received))
        received += 1_000_000
    return requests


def _wire_events(product: Product, events: pl.DataFrame) -> Iterator[Event]:
    """Events as a request carries them: the view's columns, times as microseconds; `known_at` is the server's clock."""
    columns = [name for name in product.view.input_columns if name != "known_at"]
    wire = events.select(columns)
    times = [name for name, dtype in wire.schema.items() if isinstance(dtype, pl.Datetime)]
    return wire.with_columns(pl.col(name).dt.timestamp("us") for name in times).iter_rows(named=True)
