"""The typed request of a product, made from its data contract: what an event must be before it is scored.

The fast path decodes straight into a strict type; only a request that fails it is looked at again, to name every
wrong field.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, cast

import msgspec
import pandera.polars as pa
import polars as pl

from mlops_assets.core.contracts.contract import ColumnDoc, describe_columns
from mlops_assets.core.contracts.row_failures import check_text
from mlops_assets.core.errors import PackagingError
from mlops_assets.core.features.online.event import Event, Value
from mlops_assets.core.times import KNOWN_AT, as_microseconds
from serving.http_errors import MAXIMUM_PROBLEMS, Problem, RefusedRequestError
from serving.served_product import ServedProduct

MAXIMUM_EVENTS = 1000
"""Events of one request."""
MAXIMUM_TEXT = 1000
"""Characters of a text that the contract does not limit."""
FUTURE_TOLERANCE = timedelta(minutes=5)
"""How far a client's clock may be ahead of the server's."""
_INT64 = 2**63 - 1
_LIMITS = {
    "greater_than_or_equal_to": {"ge": "min_value"},
    "less_than_or_equal_to": {"le": "max_value"},
    "greater_than": {"gt": "min_value"},
    "less_than": {"lt": "max_value"},
    "in_range": {"ge": "min_value", "le": "max_value"},
}
"""Pandera's checks that the type itself can carry, as msgspec's names for their statistics."""


@dataclass(frozen=True)
class _SlowCheck:
    """A check of the contract that Pandera has to judge."""

    check: pa.Check
    column: str | None
    """None for a check over several columns."""
    reads_known_at: bool

    @property
    def text(self) -> str:
        return check_text(self.check)

    def judge(self, frame: pl.DataFrame) -> list[bool]:
        """Say per row whether the check holds; it holds for a null, as in the contract."""
        output = self.check(frame.lazy(), self.column).check_output.collect()
        return output.to_series().fill_null(value=True).to_list()


class EventTypes:
    """Reads requests of one product.

    Every column that the feature view reads must be given, null where the contract allows it; `known_at` and columns
    that no feature reads may be left out. Columns that know the outcome are unknown fields here.
    """

    def __init__(self, product: ServedProduct, *, example: Mapping[str, object] | None = None) -> None:
        """Make the types; `example` is an event that the documentation shows.

        Raises: PackagingError for a column whose type no JSON value can carry.
        """
        self._product = product
        self._id_column = product.view.id_column
        self._time = product.view.event_timestamp
        schema = product.event_schema.to_schema()
        needed = {*product.view.input_columns, self._id_column, *product.declaration.entities} - {KNOWN_AT}
        self._fields: dict[str, Any] = {}
        self._times: list[str] = []
        slow_checks: list[tuple[pa.Check, str | None]] = []
        definitions = []
        for doc in describe_columns(product.event_schema):
            if doc.is_outcome:
                continue
            column = schema.columns[doc.name]
            kind, left = _type_of(column)
            slow_checks += [(check, doc.name) for check in left]
            if _plain_type(column) is datetime:
                self._times.append(doc.name)
            if doc.is_nullable:
                kind = kind | None
            kind = Annotated[kind, _documentation(doc, (example or {}).get(doc.name))]
            self._fields[doc.name] = kind
            is_needed = doc.name in needed
            definitions.append(
                (doc.name, kind) if is_needed else (doc.name, kind | msgspec.UnsetType, msgspec.UNSET)
            )
        self.needed = tuple(name for name in self._fields if name in needed)
        self.names = tuple(self._fields)
        self._optional = tuple(name for name in self._fields if name not in needed)
        self.event_type = msgspec.defstruct(
            "Event", definitions, forbid_unknown_fields=True, kw_only=True, frozen=True, gc=False
        )
        self._decoder = msgspec.json.Decoder(self.event_type | list[self.event_type])
        probe = self._frame([]).drop(KNOWN_AT, strict=False)
        self._slow_checks = [
            _SlowCheck(check, column, reads_known_at=_fails_without(probe, check, column))
            for check, column in [*slow_checks, *((check, None) for check in schema.checks or ())]
        ]

    def read(self, body: bytes, *, received_at: int) -> tuple[list[Event], bool]:
        """Return the events of a request's body, and whether it was a list.

        Raises: RefusedRequestError with 400 for no JSON, 422 naming the wrong fields.
        """
        try:
            decoded = self._decoder.decode(body)
        except msgspec.DecodeError as error:
            raise self._refusal(body, error) from error
        is_many = isinstance(decoded, list)
        rows = decoded if is_many else [decoded]
        _check_count(len(rows))
        events = [self._event(row) for row in rows]
        self.check(events, received_at=received_at)
        return events, is_many

    def convert(self, rows: Sequence[dict[str, object]], *, received_at: int) -> list[Event]:
        """Return events of rows that were not sent as JSON objects.

        Raises: RefusedRequestError as `read` does.
        """
        _check_count(len(rows))
        try:
            typed = msgspec.convert(rows, list[self.event_type], strict=True)
        except msgspec.ValidationError as error:
            raise self._named(list(rows), error) from error
        events = [self._event(row) for row in typed]
        self.check(events, received_at=received_at)
        return events

    def tensor_types(self) -> dict[str, str]:
        """Return the Open Inference Protocol's datatype of each column; times are RFC 3339 texts."""
        names = {int: "INT64", float: "FP64", bool: "BOOL", str: "BYTES", datetime: "BYTES"}
        columns = self._product.event_schema.to_schema().columns
        return {name: names[_plain_type(columns[name])] for name in self.names}

    def check(self, events: Sequence[Event], *, received_at: int) -> None:
        """Judge what a field's type cannot say: ids that come twice, times, and the contract's checks over rows.

        Raises: RefusedRequestError with 422.
        """
        problems = []
        if len(events) > 1:
            problems += self._repeated(events)
        if self._time is not None:
            problems += self._wrong_times(events, received_at=received_at)
        if not problems and self._slow_checks:
            problems += self._broken_checks(events)
        if problems:
            raise _wrong(problems)

    def _event(self, row: msgspec.Struct) -> Event:
        event: dict[str, Value] = msgspec.structs.asdict(row)
        for name in self._optional:
            if event[name] is msgspec.UNSET:
                del event[name]
        for name in self._times:
            if isinstance(moment := event.get(name), datetime):
                event[name] = as_microseconds(moment)
        return event

    def _repeated(self, events: Sequence[Event]) -> Iterator[Problem]:
        seen = set()
        for index, event in enumerate(events):
            if (identity := event[self._id_column]) in seen:
                yield Problem("the id comes twice in this request", field=self._id_column, event=index)
            seen.add(identity)

    def _wrong_times(self, events: Sequence[Event], *, received_at: int) -> Iterator[Problem]:
        latest = received_at + FUTURE_TOLERANCE // timedelta(microseconds=1)
        for index, event in enumerate(events):
            for name in self._times:
                if (moment := event.get(name)) is not None and cast("int", moment) > latest:
                    yield Problem(
                        f"lies more than {FUTURE_TOLERANCE.seconds // 60} minutes in the future",
                        field=name,
                        event=index,
                    )

    def _broken_checks(self, events: Sequence[Event]) -> Iterator[Problem]:
        """Judge the checks that no type carries; each costs most of a millisecond, whatever the number of events."""
        for check in self._slow_checks:
            asked = [
                index for index, event in enumerate(events) if not check.reads_known_at or KNOWN_AT in event
            ]
            if not asked:
                continue
            frame = self._frame([events[index] for index in asked])
            for index, holds in zip(asked, check.judge(frame), strict=True):
                if not holds:
                    yield Problem(f"breaks the contract: {check.text}", field=check.column, event=index)

    def _frame(self, events: Sequence[Event]) -> pl.DataFrame:
        """The events in the contract's types; what was not given is null."""
        columns = self._product.event_schema.to_schema().columns
        types = {name: columns[name].dtype.type for name in self.names}
        rows = [[event.get(name) for name in self.names] for event in events]
        return pl.DataFrame(rows, schema=types, orient="row")

    def _refusal(self, body: bytes, error: msgspec.DecodeError) -> RefusedRequestError:
        """Return what is wrong with a body that did not decode, looking at it again with patience."""
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            return RefusedRequestError(400, f"the body is no JSON: {error}")
        rows = document if isinstance(document, list) else [document]
        return self._named(rows, error)

    def _named(self, rows: list[Any], error: Exception) -> RefusedRequestError:
        if len(rows) > MAXIMUM_EVENTS:
            return _too_many(len(rows))
        problems = []
        for index, row in enumerate(rows):
            problems += self._problems_of(row, index)
            if len(problems) >= MAXIMUM_PROBLEMS:
                break
        return _wrong(problems[:MAXIMUM_PROBLEMS] or [Problem(str(error))])

    def _problems_of(self, row: object, index: int) -> list[Problem]:
        if not isinstance(row, dict):
            return [Problem("an event is a JSON object", event=index)]
        problems = [
            Problem(
                f"unknown field; an event has {', '.join(self.names)}", field=str(name)[:100], event=index
            )
            for name in row
            if name not in self._fields
        ]
        problems += [
            Problem("is missing", field=name, event=index) for name in self.needed if name not in row
        ]
        for name, kind in self._fields.items():
            if name in row and (problem := _problem_with(row[name], kind)):
                problems.append(Problem(problem, field=name, event=index))
        return problems


def _documentation(doc: ColumnDoc, example: object) -> msgspec.Meta:
    text = doc.description
    if doc.unit:
        text += f" Unit: {doc.unit}."
    if doc.null_means:
        text += f" Null: {doc.null_means}."
    return msgspec.Meta(description=text, examples=None if example is None else [example])


def _type_of(column: pa.Column) -> tuple[Any, list[pa.Check]]:
    """Return the column's type with the limits that it can carry, and the checks that it cannot."""
    kind = _plain_type(column)
    if kind is datetime:
        return Annotated[datetime, msgspec.Meta(tz=True)], list(column.checks)
    limits: dict[str, Any] = {"ge": -_INT64 - 1, "le": _INT64} if kind is int else {}
    limits |= {"max_length": MAXIMUM_TEXT} if kind is str else {}
    left = []
    for check in column.checks:
        statistics = check.statistics or {}
        if check.name == "isin" and kind in (int, str):
            return Literal[tuple(statistics["allowed_values"])], [c for c in column.checks if c is not check]
        if check.name not in _LIMITS or kind not in (int, float) or not statistics.get("include_min", True):
            left.append(check)
            continue
        for limit, statistic in _LIMITS[check.name].items():
            limits.pop({"gt": "ge", "lt": "le"}.get(limit, ""), None)
            limits[limit] = kind(statistics[statistic])
    return (Annotated[kind, msgspec.Meta(**limits)] if limits else kind), left


def _fails_without(probe: pl.DataFrame, check: pa.Check, column: str | None) -> bool:
    """Whether a check reads a column that `probe` lacks: `known_at`, for which the server's own time holds."""
    try:
        check(probe.lazy(), column).check_output.collect()
    except pl.exceptions.ColumnNotFoundError:
        return True
    return False


def _plain_type(column: pa.Column) -> type:
    dtype = column.dtype.type if column.dtype is not None else None
    if dtype is not None and dtype.is_integer():
        return int
    for kind, is_kind in ((float, pl.Float64), (float, pl.Float32), (str, pl.String), (bool, pl.Boolean)):
        if dtype == is_kind:
            return kind
    if isinstance(dtype, pl.Datetime):
        return datetime
    raise PackagingError(
        f"column {column.name} has type {dtype}, which a request cannot carry: use a number, a text, a boolean or a "
        "time in the contract"
    )


def _problem_with(value: object, kind: Any) -> str | None:
    if isinstance(value, float) and not math.isfinite(value):
        return f"is {value}, which is no number; a missing value is null where the contract allows it"
    try:
        msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError as error:
        return str(error)
    return None


def _check_count(count: int) -> None:
    if count > MAXIMUM_EVENTS:
        raise _too_many(count)
    if not count:
        raise _wrong([Problem("a request needs at least one event")])


def _too_many(count: int) -> RefusedRequestError:
    return RefusedRequestError(422, f"a request may have {MAXIMUM_EVENTS} events, this one has {count}")


def _wrong(problems: list[Problem]) -> RefusedRequestError:
    fields = list(dict.fromkeys(problem.field for problem in problems if problem.field))
    named = f": {', '.join(fields)}" if fields else ""
    return RefusedRequestError(422, f"the request breaks the contract{named}", problems[:MAXIMUM_PROBLEMS])
