"""Card transactions with three kinds of fraud, any day computed from (seed, day) alone.

Our own simulator after the published specification of the Fraud Detection Handbook (Le Borgne, Siblini,
Lebichot, Bontempi: Reproducible Machine Learning for Credit Card Fraud Detection, 2022, chapter 3). Two
things differ from the book, so that a day needs no other day: a compromised customer's transactions are each
fraudulent with probability 1/3 (the book takes exactly a third over the 14 days), and draws come from seeds
of their own day.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

import numpy as np
import polars as pl

GRID_SIZE = 100.0
MEAN_AMOUNT_USD = (5.0, 100.0)
MAXIMUM_TRANSACTIONS_PER_DAY = 4.0
NOON_SECONDS, TIME_DEVIATION_SECONDS, DAY_SECONDS = 43_200, 20_000, 86_400
SUSPICIOUS_AMOUNT_USD = 220.0
TERMINAL_DAYS, CUSTOMER_DAYS = 28, 14
"""How long a terminal and a customer stay compromised."""
FRAUD_SHARE_OF_CUSTOMER, FRAUD_AMOUNT_FACTOR = 1 / 3, 5.0
IDS_PER_DAY = 1_000_000_000
"""Transaction ids of a day start at its number times this: unique without knowing other days."""

# Purposes of random streams: the second part of a seed (seed, purpose, day).
_CUSTOMERS, _TERMINALS, _TRANSACTIONS, _COMPROMISED_TERMINALS, _COMPROMISED_CUSTOMERS = range(5)

TRANSACTION_SCHEMA = pl.Schema(
    {
        "transaction_id": pl.Int64,
        "event_timestamp": pl.Datetime("us", "UTC"),
        "customer_id": pl.Int64,
        "terminal_id": pl.Int64,
        "amount_usd": pl.Float64,
        "is_fraud": pl.Int8,
        "fraud_scenario": pl.Int8,
    }
)


@dataclass(frozen=True)
class Simulation:
    """The parameters of a simulation; equal parameters give equal transactions."""

    customers: int = 5_000
    terminals: int = 10_000
    start_date: date = date(2018, 4, 1)
    """UTC day number 0; no transactions and no compromises before it."""
    days: int = 183
    """Days with transactions."""
    radius: float = 5.0
    """Customers use the terminals within this distance on the 100 by 100 grid."""
    compromised_terminals_per_day: int = 2
    compromised_customers_per_day: int = 3
    """Scale these with terminals and customers to keep the published share of frauds, 0.84 %."""
    seed: int = 0


@dataclass(frozen=True)
class Population:
    """Who can pay where. Customer c reaches `reachable[offsets[c]:offsets[c + 1]]`, possibly nothing."""

    mean_amount_usd: np.ndarray
    transactions_per_day: np.ndarray
    offsets: np.ndarray
    reachable: np.ndarray


def simulate(simulation: Simulation, *, start: date, end: date) -> pl.DataFrame:
    """Return the transactions of the UTC days [start, end) in order of time; none outside the simulated days.

    One row per transaction, columns as TRANSACTION_SCHEMA; times are whole seconds; fraud_scenario is 0 for
    genuine ones, else the last that applies of 1 (amount above 220), 2 (compromised terminal) and 3
    (compromised customer).
    """
    first = max((start - simulation.start_date).days, 0)
    last = min((end - simulation.start_date).days, simulation.days)
    days = [simulate_day(simulation, day) for day in range(first, last)]
    return pl.concat(days) if days else pl.DataFrame(schema=TRANSACTION_SCHEMA)


def simulate_day(simulation: Simulation, day: int) -> pl.DataFrame:
    """Return day number `day` of the simulation, in order of time; shape as `simulate`."""
    population = populate(simulation)
    rng = _generator(simulation, _TRANSACTIONS, day)
    customer, seconds = _arrivals(population, rng)
    terminal = _terminals(population, customer, rng)
    amount = _amounts(population, customer, rng)
    scenario = np.where(amount > SUSPICIOUS_AMOUNT_USD, 1, 0).astype(np.int8)
    scenario[np.isin(terminal, _compromised(simulation, day).terminals)] = 2
    is_misused = _is_misused(simulation, day, customer, rng)
    amount = np.round(np.where(is_misused, amount * FRAUD_AMOUNT_FACTOR, amount), 2)
    scenario[is_misused] = 3
    columns = {
        "transaction_id": day * IDS_PER_DAY + np.arange(len(customer), dtype=np.int64),
        "event_timestamp": _timestamps(simulation, day, seconds),
        "customer_id": customer,
        "terminal_id": terminal,
        "amount_usd": amount,
        "is_fraud": (scenario > 0).astype(np.int8),
        "fraud_scenario": scenario,
    }
    return pl.DataFrame(columns, schema=TRANSACTION_SCHEMA)


@lru_cache(maxsize=4)
def populate(simulation: Simulation) -> Population:
    """Draw customers and terminals, and link each customer to the terminals within the radius."""
    rng = _generator(simulation, _CUSTOMERS, 0)
    customers = rng.uniform(0, GRID_SIZE, (simulation.customers, 2))
    terminals = _generator(simulation, _TERMINALS, 0).uniform(0, GRID_SIZE, (simulation.terminals, 2))
    offsets, reachable = terminals_within(customers, terminals, radius=simulation.radius)
    return Population(
        mean_amount_usd=rng.uniform(*MEAN_AMOUNT_USD, simulation.customers),
        transactions_per_day=rng.uniform(0, MAXIMUM_TRANSACTIONS_PER_DAY, simulation.customers),
        offsets=offsets,
        reachable=reachable,
    )


def _generator(simulation: Simulation, purpose: int, day: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence((simulation.seed, purpose, day)))


def terminals_within(
    customers: np.ndarray, terminals: np.ndarray, *, radius: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return, per customer, the terminals nearer than `radius`, as offsets into one array.

    Terminals are sorted into square cells at least `radius` wide, so that each customer is compared with
    three runs of three neighbouring cells instead of with all terminals: linear in the number of links.
    """
    cells = max(1, int(GRID_SIZE // radius))
    cell_of = np.minimum(terminals * cells / GRID_SIZE, cells - 1).astype(np.int64)
    cell_number = cell_of[:, 0] * cells + cell_of[:, 1]
    order = np.argsort(cell_number, kind="stable")
    cell_starts = np.searchsorted(cell_number[order], np.arange(cells * cells + 1))
    own = np.minimum(customers * cells / GRID_SIZE, cells - 1).astype(np.int64)
    left, right = np.maximum(own[:, 1] - 1, 0), np.minimum(own[:, 1] + 1, cells - 1)
    found = []
    for step in (-1, 0, 1):
        row = own[:, 0] + step
        inside = np.flatnonzero((row >= 0) & (row < cells))
        starts = cell_starts[row[inside] * cells + left[inside]]
        counts = cell_starts[row[inside] * cells + right[inside] + 1] - starts
        customer = np.repeat(inside, counts)
        terminal = order[np.arange(len(customer)) + np.repeat(starts - np.cumsum(counts) + counts, counts)]
        is_near = np.square(customers[customer] - terminals[terminal]).sum(axis=1) < radius**2
        found.append(np.column_stack((customer[is_near], terminal[is_near])))
    links = np.concatenate(found)
    links = links[np.lexsort((links[:, 1], links[:, 0]))]
    return np.searchsorted(links[:, 0], np.arange(len(customers) + 1)), links[:, 1]


def _arrivals(population: Population, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return customer and second of each transaction; what falls outside the day is dropped, as published."""
    counts = rng.poisson(population.transactions_per_day) * (np.diff(population.offsets) > 0)
    customer = np.repeat(np.arange(len(counts)), counts)
    seconds = rng.normal(NOON_SECONDS, TIME_DEVIATION_SECONDS, len(customer)).astype(np.int64)
    is_inside = (seconds > 0) & (seconds < DAY_SECONDS)
    customer, seconds = customer[is_inside], seconds[is_inside]
    order = np.argsort(seconds, kind="stable")
    return customer[order], seconds[order]


def _terminals(population: Population, customer: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    count = np.diff(population.offsets)[customer]
    return population.reachable[
        population.offsets[customer] + (rng.random(len(customer)) * count).astype(np.int64)
    ]


def _amounts(population: Population, customer: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    mean = population.mean_amount_usd[customer]
    amount = rng.normal(mean, mean / 2)
    return np.round(np.where(amount > 0, amount, rng.uniform(0, 2 * mean)), 2)


@dataclass(frozen=True)
class _Compromised:
    """Who is compromised on a day; a customer that was drawn twice is listed twice."""

    terminals: np.ndarray
    customers: np.ndarray


@lru_cache(maxsize=64)
def _compromised(simulation: Simulation, day: int) -> _Compromised:
    """Draw again what each of the last 28 and 14 days compromised."""

    def drawn(purpose: int, *, days: int, population: int, each: int) -> np.ndarray:
        each = min(each, population)
        return np.concatenate(
            [
                _generator(simulation, purpose, past).choice(population, each, replace=False)
                for past in range(max(day - days + 1, 0), day + 1)
            ]
        )

    return _Compromised(
        terminals=drawn(
            _COMPROMISED_TERMINALS,
            days=TERMINAL_DAYS,
            population=simulation.terminals,
            each=simulation.compromised_terminals_per_day,
        ),
        customers=drawn(
            _COMPROMISED_CUSTOMERS,
            days=CUSTOMER_DAYS,
            population=simulation.customers,
            each=simulation.compromised_customers_per_day,
        ),
    )


def _is_misused(
    simulation: Simulation, day: int, customer: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return whether any of the customer's active compromises made the transaction fraudulent."""
    active = np.bincount(_compromised(simulation, day).customers, minlength=simulation.customers)[customer]
    return rng.binomial(active, FRAUD_SHARE_OF_CUSTOMER) > 0


def _timestamps(simulation: Simulation, day: int, seconds: np.ndarray) -> pl.Series:
    midnight = datetime.combine(simulation.start_date, datetime.min.time(), UTC) + timedelta(days=day)
    return pl.Series((int(midnight.timestamp()) + seconds) * 1_000_000).cast(
        TRANSACTION_SCHEMA["event_timestamp"]
    )
