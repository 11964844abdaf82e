"""How an entity is followed through its requests: which of them count, with which harm, and in which stratum."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class History:
    """What came before each request of its entity, one entry each, and what the request counts for."""

    stratum: Integers
    """See `stratum_of`."""
    is_at_risk: Booleans
    """Whether the entity has had no harm of 1 yet."""
    is_at_risk_in_stratum: Booleans
    """The same when the entity came to this stratum."""
    harm: Floats
    """The request's, where it is the entity's greatest so far; else 0."""


def stratum_of(ordinal: Integers) -> Integers:
    """Return 0 for an entity's first request, 1 for the 2nd and 3rd, 2 for the 4th to 7th, and so on by doubling."""
    return np.frexp(ordinal.astype(np.float64))[1].astype(np.int64) - 1


def follow_entities(harm: Floats, entity: Integers, step: Integers) -> History:
    """Follow each entity through each step; rows are requests in their order, harm is 0 to 1."""
    rows = pl.DataFrame({"harm": harm, "entity": entity, "step": step}).with_columns(
        ordinal=pl.int_range(pl.len()).over("step", "entity") + 1,
        worst=pl.col("harm").cum_max().shift(1).over("step", "entity").fill_null(0.0),
    )
    stratum = stratum_of(rows["ordinal"].to_numpy())
    at_entry = rows.with_columns(stratum=stratum).select(
        pl.col("worst").first().over("step", "entity", "stratum")
    )
    worst = rows["worst"].to_numpy()
    return History(
        stratum=stratum,
        is_at_risk=worst < 1,
        is_at_risk_in_stratum=at_entry["worst"].to_numpy() < 1,
        harm=np.where(harm > worst, harm, 0.0),
    )
