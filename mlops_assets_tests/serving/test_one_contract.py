"""One contract: serving refuses exactly what the lakehouse rejects, and what it takes comes back bit by bit."""

import struct
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlops_assets.catalogue import load_product
from mlops_assets.core.contracts.contract import apply_contract, conform
from mlops_assets.core.features.expressions import col
from mlops_assets.core.features.online.event import Event
from mlops_assets.core.features.view import FeatureView, RowFeature
from mlops_assets.core.parity.replay import captured_events
from mlops_assets.core.predictions.captured import LandingTable
from mlops_assets.core.serving.prediction_record import PredictionRecord, decode_record, encode_record
from mlops_assets_tests.support.homes.served_contract import as_served
from serving.events.types import EventTypes
from serving.http_errors import RefusedRequestError
from serving.served_product import ServedProduct

ID = "order_id"
RECEIVED = 4_000_000_000_000_000
UTC_TIME = pl.Datetime("us", "UTC")
INTEGERS = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64)
TEXTS = ("", "a", "ab", "B", "é", "x" * 1000, "x" * 1001, "\u0000", "😀😀", "red")
EDGES = (0, 1, -1, 127, 128, 255, 256, -129, 2**31, 2**32, 2**53 + 1, 2**63 - 1, -(2**63), 2**63, 2**64 - 1)
MOMENTS = ("2024-05-29T23:59:59Z", "2024-05-29T23:59:59.9999996Z", "1969-12-31T23:59:59.9999999Z",
           "2024-05-29T12:00:00.123456789+02:00", "2024-05-29T12:00:00.1234567-00:30")  # fmt: skip

whole_bounds = st.one_of(
    st.integers(-2, 2),
    st.sampled_from([-1.5, -0.5, 0.5, 1.5, 1.0]),
    st.integers(-300, 300),
    st.sampled_from(EDGES),
    st.floats(-300, 300),
    st.sampled_from([1.5, -0.5, 2.0**60]),
)
number_bounds = st.one_of(
    st.integers(-2, 2), st.sampled_from([0.1, 0.5]), st.floats(-5, 5), st.sampled_from([0.1, 1e300, 2**60])
)


def bounds(values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    one = st.sampled_from(["ge", "gt", "le", "lt", "eq", "ne"]).flatmap(
        lambda name: values.map(lambda value: {name: value})
    )
    both = st.tuples(values, values, st.booleans(), st.booleans()).filter(lambda t: t[0] != t[1]).map(
        lambda t: {
            "in_range": {
                "min_value": min(t[:2]), "max_value": max(t[:2]), "include_min": t[2], "include_max": t[3]
            }
        }
    )  # fmt: skip
    return st.one_of(st.just({}), one, both, st.tuples(one, both).map(lambda t: t[0] | t[1]))


def fields_of(dtype: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Checks as `pa.Field` takes them."""
    if dtype in INTEGERS:
        allowed = st.lists(st.integers(-3, 130), min_size=1, max_size=4)
        return st.one_of(
            bounds(whole_bounds), allowed.map(lambda v: {"isin": v}), allowed.map(lambda v: {"notin": v})
        )
    if dtype in (pl.Float32, pl.Float64):
        allowed = st.lists(st.sampled_from([0.0, 0.1, 0.5, 2.0]), min_size=1)
        return st.one_of(bounds(number_bounds), allowed.map(lambda v: {"isin": v}))
    if dtype is pl.String:
        allowed = st.lists(st.sampled_from(TEXTS), min_size=1, max_size=3)
        lengths = st.tuples(st.integers(0, 3), st.integers(0, 1200)).map(
            lambda t: {"str_length": {"min_value": min(t), "max_value": max(t)}}
        )
        exact = st.integers(0, 3).map(lambda n: {"str_length": {"exact_value": n}})
        patterns = st.sampled_from(
            [{"str_matches": "^[a-z]+$"}, {"str_startswith": "a"}, {"str_contains": "é"}]
        )
        return st.one_of(st.just({}), allowed.map(lambda v: {"isin": v}), lengths, exact, patterns)
    if dtype is pl.Boolean:
        return st.sampled_from([{}, {"eq": True}, {"isin": [False]}])
    if dtype == UTC_TIME:
        return st.sampled_from([{}, {"ge": datetime(2000, 1, 1, tzinfo=UTC)}])
    return st.just({})


def values_of(dtype: Any) -> st.SearchStrategy[Any]:
    """Values as JSON carries them: of the column's kind, not always of its type."""
    if dtype in INTEGERS:
        return st.one_of(st.integers(-2, 2), st.integers(-300, 300), st.sampled_from(EDGES))
    if dtype in (pl.Float32, pl.Float64):
        edge = st.sampled_from([0.0, -0.0, 0.1, 1.00000001, 3.4028235e38, 3.4028236e38, 1e39, 5e-324, 2.0])
        small = st.sampled_from([0.1, 0.5, -2.0, -1.0, 0.0, 1.0, 2.0])
        return st.one_of(small, edge, st.floats(allow_nan=False, allow_infinity=False))
    if dtype is pl.Boolean:
        return st.booleans()
    return st.sampled_from(MOMENTS) if dtype == UTC_TIME else st.sampled_from(TEXTS)


types = st.one_of(
    st.sampled_from([*INTEGERS, pl.Float32, pl.Float64, pl.String, pl.Boolean, pl.Categorical]),
    st.just(UTC_TIME),
    st.just(pl.Enum(["red", "a"])),
)
columns = st.lists(types, min_size=1, max_size=2).flatmap(
    lambda dtypes: st.tuples(
        *(
            st.tuples(st.just(t), fields_of(t), st.booleans(), st.one_of(*[values_of(t)] * 6, st.none()))
            for t in dtypes
        )
    )
)


def even(_: object, data: pa.PolarsData) -> pl.LazyFrame:
    return data.lazyframe.select(pl.col(ID) % 2 == 0)


def contract(
    drawn: tuple[tuple[Any, dict[str, Any], bool, Any], ...], *, over_rows: bool
) -> type[pa.DataFrameModel]:
    annotations: dict[str, Any] = {ID: pl.Int64}
    content: dict[str, Any] = {ID: pa.Field(unique=True), "__annotations__": annotations}
    for number, (dtype, checks, nullable, _) in enumerate(drawn):
        annotations[f"c{number}"] = dtype
        content[f"c{number}"] = pa.Field(nullable=nullable, **checks)
    if over_rows:
        content["even"] = pa.dataframe_check(even)
    return type("Drawn", (pa.DataFrameModel,), content)


def product(schema: type[pa.DataFrameModel]) -> ServedProduct:
    view = FeatureView("drawn", ID, None, (RowFeature("own", col(ID).cast_float(), "The id."),))
    mortality = load_product("mortality_risk")
    spec = mortality.spec.model_copy(update={"id_column": ID, "entities": ()})
    return as_served(replace(mortality, event_schema=schema, view=view, spec=spec))


def as_source(dtype: Any, value: Any) -> pl.Series:
    """The same value as a source would deliver it."""
    if isinstance(value, bool) or value is None or dtype in (pl.Boolean, pl.Float32, pl.Float64):
        return pl.Series([value], dtype=pl.Null if value is None else dtype)
    if isinstance(value, int):
        return pl.Series([value], dtype=pl.Int64 if -(2**63) <= value < 2**63 else pl.UInt64)
    if dtype == UTC_TIME:
        return pl.Series([nanoseconds(value)]).cast(pl.Datetime("ns", "UTC"))
    return pl.Series([value], dtype=pl.String)


def nanoseconds(text: str) -> int:
    body, zone = (text[:-1], "+00:00") if text.endswith("Z") else (text[:-6], text[-6:])
    seconds, _, fraction = body.partition(".")
    at = datetime.fromisoformat(seconds + zone) - datetime(1970, 1, 1, tzinfo=UTC)
    return at // timedelta(seconds=1) * 10**9 + int(fraction.ljust(9, "0"))


def bits(value: Any) -> Any:
    return struct.pack("d", value) if isinstance(value, float) else value


def collected(event: Event, schema: type[pa.DataFrameModel]) -> dict[str, Any]:
    """The event as the lakehouse reads it from a captured record."""
    record = PredictionRecord(
        prediction_id="v1-1-0", event_id=event[ID], request=dict(event), event_timestamp=None, known_at=None,
        received_at=RECEIVED, version=1, role="champion", plan_sequence=1,
    )  # fmt: skip
    landing = LandingTable("drawn", id_column=ID, id_type=pl.Int64(), has_time=False)
    captured = landing.frame([decode_record(encode_record(record))])
    wide = FeatureView("all", ID, None, tuple(RowFeature(f"f{n}", col(n), "") for n in event))
    dtypes = {name: column.dtype.type for name, column in schema.to_schema().columns.items()}
    return captured_events(wide, captured, dtypes=dtypes).row(0, named=True)


def judge_twice(drawn: Any, *, over_rows: bool = False, identity: int = 2) -> bool:
    """Ask both doors about one event, and return what both say: whether it meets the contract."""
    schema = contract(drawn, over_rows=over_rows)
    values = {f"c{number}": value for number, (_, _, _, value) in enumerate(drawn)}
    source = pl.DataFrame([pl.Series(ID, [identity])]).with_columns(
        as_source(dtype, value).alias(f"c{number}") for number, (dtype, _, _, value) in enumerate(drawn)
    )
    raw = conform(source, schema, subject="drawn")
    judged = apply_contract(raw, schema, id_column=ID, subject="drawn")
    body = msgspec.json.encode({ID: identity, **values})
    try:
        (event,), _ = EventTypes(product(schema)).read(body, received_at=RECEIVED)
    except RefusedRequestError as error:
        assert error.status == 422
        assert judged.accepted.is_empty(), error.refusal
        return False
    assert judged.rejected.is_empty(), judged.rejected["reasons"].to_list()
    offline, online = judged.accepted.row(0, named=True), collected(event, schema)
    assert {name: bits(value) for name, value in offline.items()} == {
        name: bits(value) for name, value in online.items()
    }
    return True


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(columns, st.sampled_from([False, False, True]), st.sampled_from([2, 1]))
def test_serving_refuses_exactly_what_the_lakehouse_rejects(
    drawn: Any, over_rows: bool, identity: int
) -> None:
    judge_twice(drawn, over_rows=over_rows, identity=identity)


OPEN = {"in_range": {"min_value": 0, "max_value": 1, "include_min": False, "include_max": False}}


@pytest.mark.parametrize(
    ("dtype", "checks", "good", "bad"),
    [
        (pl.Float64, OPEN, [0.5, 5e-324], [0.0, 1.0, -0.0]),
        (pl.Float64, {"gt": 0, "lt": 1}, [0.5], [0.0, 1.0]),
        (pl.Float64, OPEN | {"ge": 0.25}, [0.25], [0.2, 1.0]),
        (pl.Int64, OPEN, [], [0, 1]),
        (pl.Int64, {"gt": 0, "lt": 3}, [1, 2], [0, 3]),
        (pl.Int64, {"ge": 1.5}, [2], [1]),
        (pl.Int64, {"le": 1.5}, [1], [2]),
        (pl.Int64, {"gt": -1.5, "lt": 1.5}, [-1, 1], [-2, 2]),
        (pl.Int64, {"ge": 2**53 + 1}, [2**53 + 1], [2**53]),
        (pl.UInt8, {}, [0, 255], [-1, 256]),
        (pl.Int8, {}, [-128, 127], [-129, 128]),
        (pl.Int16, {}, [-(2**15)], [2**15]),
        (pl.UInt32, {}, [2**32 - 1], [-1, 2**32]),
        (pl.UInt64, {}, [0, 2**63 - 1], [-1, 2**63]),
        (pl.Int8, {"le": 300}, [127], [128]),
        (pl.Float32, {}, [0.1, 3.4028235e38, -0.0], [3.4028236e38, -1e39]),
        (pl.Float32, {"le": 1}, [1.00000001, 1.0], [1.0001]),
        (pl.String, {"isin": ["a", "b"]}, ["a"], ["c", "", None]),
        (pl.String, {"str_length": {"exact_value": 2}}, ["é1", "😀😀"], ["a", "abc"]),
        (pl.String, {"str_length": {"max_value": 2000}}, ["x" * 2000], ["x" * 2001]),
        (pl.String, {}, ["x" * 1000, ""], ["x" * 1001]),
        (pl.String, {"str_matches": "^[a-z]+$"}, ["ab"], ["A", ""]),
        (pl.Enum(["a", "b"]), {}, ["a"], ["c"]),
        (pl.Int64, {"isin": [1, 2], "gt": 1}, [2], [1, 3]),
        (pl.Boolean, {"eq": True}, [True], [False]),
    ],
    ids=str,
)
def test_every_kind_of_bound_is_judged_alike(
    dtype: Any, checks: dict[str, Any], good: list[Any], bad: list[Any]
) -> None:
    assert [judge_twice([(dtype, checks, False, value)]) for value in good] == [True] * len(good)
    assert [judge_twice([(dtype, checks, False, value)]) for value in bad] == [False] * len(bad)
    assert judge_twice([(dtype, checks, True, None)])


@pytest.mark.parametrize("text", MOMENTS)
def test_a_time_finer_than_a_microsecond_is_cut_on_both_sides(text: str) -> None:
    class Timed(pa.DataFrameModel):
        order_id: int
        at: UTC_TIME  # pyright: ignore[reportInvalidTypeForm]

    for body in (f'{{"order_id":1,"at":"{text}"}}', f'[{{"order_id":1,"at":"{text}"}}]'):
        (event,), _ = EventTypes(product(Timed)).read(body.encode(), received_at=RECEIVED)
        assert event["at"] == nanoseconds(text) // 1000
