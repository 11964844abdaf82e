"""The typed request of a product, made from its data contract: what an event must be before it is scored.

The fast path decodes straight into a strict type; only a request that fails it is looked at again, to name every
wrong field.
"""

import json
import logging
import math
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Annotated, Any, cast

import msgspec
import pandera.polars as pa
import polars as pl

from mlops_assets.core.contracts.contract import ColumnDoc, describe_columns, polars_type
from mlops_assets.core.contracts.row_failures import check_text, judge_check
from mlops_assets.core.errors import PackagingError
from mlops_assets.core.features.online.event import Event, Value
from mlops_assets.core.times import KNOWN_AT, as_microseconds
from serving.events.fields import EventField, event_field
from serving.events.repeated_names import require_distinct_names
from serving.http_errors import Problem, RefusedRequestError
from serving.limits import MAXIMUM_EVENTS, MAXIMUM_PROBLEMS
from serving.served_product import ServedProduct

FUTURE_TOLERANCE = timedelta(minutes=5)
"""How far a client's clock may be ahead of the server's."""
_TENSORS = {"whole": "INT64", "number": "FP64", "truth": "BOOL", "text": "BYTES", "time": "BYTES"}
_MAY_BE_FINE = re.compile(rb":\d\d\.\d{7}|\\u00[23]").search
"""Finds bodies with a time finer than a microsecond, which msgspec would round: some others, too."""
_FINE_TIME = re.compile(r"(.*:\d\d\.\d{6})\d+(.*)").fullmatch
_LONGEST_TIME = 64
"""Characters of a text that may be a time; what follows its seconds is looked for by a search that backtracks."""
_FLOAT32 = struct.Struct("f")
_log = logging.getLogger(__name__)


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

    def concerns(self, event: Event) -> bool:
        """Whether the event has what the check reads: `known_at` and optional columns may be left out."""
        if self.column is not None:
            return self.column in event
        return KNOWN_AT in event or not self.reads_known_at


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
        self.id_column = product.view.id_column
        self._time = product.view.event_timestamp
        schema = product.event_schema.to_schema()
        needed = {*product.view.input_columns, self.id_column, *product.declaration.entities} - {KNOWN_AT}
        self._columns = schema.columns
        self._carried: dict[str, EventField] = {}
        self._fields: dict[str, Any] = {}
        definitions = []
        for doc in describe_columns(product.event_schema):
            field = None if doc.is_outcome else event_field(self._columns[doc.name])
            if field is None:
                if doc.name in needed:
                    raise _not_carried(self._columns[doc.name])
                continue
            kind = field.kind | None if doc.is_nullable else field.kind
            kind = Annotated[kind, _documentation(doc, (example or {}).get(doc.name))]
            self._carried[doc.name], self._fields[doc.name] = field, kind
            is_needed = doc.name in needed
            definitions.append(
                (doc.name, kind) if is_needed else (doc.name, kind | msgspec.UnsetType, msgspec.UNSET)
            )
        self.needed = tuple(name for name in self._fields if name in needed)
        self.names = tuple(self._fields)
        self._optional = tuple(name for name in self._fields if name not in needed)
        self.times = tuple(name for name, field in self._carried.items() if field.carried == "time")
        self._narrow = tuple(name for name, field in self._carried.items() if field.is_narrow)
        self.event_type = msgspec.defstruct(
            "Event", definitions, forbid_unknown_fields=True, kw_only=True, frozen=True, gc=False
        )
        self._decoder = msgspec.json.Decoder(self.event_type | list[self.event_type])
        self._slow_checks = self._checks_left(schema)

    def read(self, body: bytes, *, received_at: int) -> tuple[list[Event], bool]:
        """Return the events of a request's body, and whether it was a list.

        Raises: RefusedRequestError with 400 for no JSON, 422 naming the wrong fields.
        """
        if self.times and _MAY_BE_FINE(body):
            return self._read_fine_times(body, received_at=received_at)
        try:
            decoded = self._decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._refusal(body, error) from error
        is_many = isinstance(decoded, list)
        rows = decoded if is_many else [decoded]
        check_count(len(rows))
        events = [self._event(row) for row in rows]
        require_distinct_names(body, names=sum(map(len, events)))
        self.check(events, received_at=received_at)
        return events, is_many

    def convert(self, rows: Sequence[dict[str, object]], *, received_at: int) -> list[Event]:
        """Return events of rows that were not sent as JSON objects.

        Raises: RefusedRequestError as `read` does.
        """
        check_count(len(rows))
        rows = [self._with_cut_times(row) for row in rows]
        try:
            typed = msgspec.convert(rows, list[self.event_type], strict=True)
        except msgspec.ValidationError as error:
            raise self._named(list(rows), error) from error
        events = [self._event(row) for row in typed]
        self.check(events, received_at=received_at)
        return events

    def tensor_types(self) -> dict[str, str]:
        """Return the Open Inference Protocol's datatype of each column; times are RFC 3339 texts."""
        return {name: _TENSORS[field.carried] for name, field in self._carried.items()}

    def check(self, events: Sequence[Event], *, received_at: int) -> None:
        """Judge what a field's type cannot say: ids that come twice, times, and the contract's checks over rows.

        Raises: RefusedRequestError with 422.
        """
        problems = []
        if len(events) > 1:
            self._check_repeated(events)
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
        for name in self.times:
            if isinstance(moment := event.get(name), datetime):
                event[name] = as_microseconds(moment)
        for name in self._narrow:
            if isinstance(number := event.get(name), float):
                (event[name],) = _FLOAT32.unpack(_FLOAT32.pack(number))
        return event

    def _read_fine_times(self, body: bytes, *, received_at: int) -> tuple[list[Event], bool]:
        """Read a body in which a time may be finer than a microsecond: it is cut, as the lakehouse cuts it."""
        try:
            document = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._refusal(body, error) from error
        is_many = isinstance(document, list)
        events = self.convert(document if is_many else [document], received_at=received_at)
        require_distinct_names(body)
        return events, is_many

    def _with_cut_times(self, row: Any) -> Any:
        if not isinstance(row, dict):
            return row
        cut = {
            name: found[1] + found[2]
            for name in self.times
            if isinstance(text := row.get(name), str)
            and len(text) <= _LONGEST_TIME
            and (found := _FINE_TIME(text))
        }
        return row | cut if cut else row

    def _check_repeated(self, events: Sequence[Event]) -> None:
        """Refuse an id that comes twice: with another content, as it is refused in two requests, and with the same."""
        ids = [event[self.id_column] for event in events]
        if len(set(ids)) == len(ids):
            return
        read = [name for name in self.names if name in self._product.view.input_columns and name != KNOWN_AT]
        first: dict[Value, list[Value]] = {}
        others, same = [], []
        for index, event in enumerate(events):
            content = [event.get(name) for name in read]
            known = first.setdefault(ids[index], content)
            if known is not content:
                told = "the id comes twice in this request" + (
                    "" if known == content else ", with another content"
                )
                (same if known == content else others).append(
                    Problem(told, field=self.id_column, event=index)
                )
        if others:
            raise RefusedRequestError(409, "an event cannot be scored as it was sent", others)
        raise _wrong(same)

    def _wrong_times(self, events: Sequence[Event], *, received_at: int) -> Iterator[Problem]:
        latest = received_at + FUTURE_TOLERANCE // timedelta(microseconds=1)
        own = [name for name in (self._time, KNOWN_AT) if name in self.times]
        for index, event in enumerate(events):
            for name in own:
                if (moment := event.get(name)) is not None and cast("int", moment) > latest:
                    yield Problem(
                        f"lies more than {FUTURE_TOLERANCE.seconds // 60} minutes in the future",
                        field=name,
                        event=index,
                    )

    def _checks_left(self, schema: pa.DataFrameSchema) -> list[_SlowCheck]:
        """The checks that Pandera has to judge, of those that can be judged for an event by itself."""
        empty = self._frame([])
        left = [
            _SlowCheck(c, name, reads_known_at=False) for name, f in self._carried.items() for c in f.left
        ]
        for check in schema.checks or ():
            if check.raise_warning:
                continue
            if not _can_judge(empty, check):
                _log.warning(
                    "check %s is the lakehouse's alone: no single event can break it", check_text(check)
                )
                continue
            reads_known_at = not _can_judge(empty.drop(KNOWN_AT, strict=False), check)
            left.append(_SlowCheck(check, None, reads_known_at))
        return left

    def _broken_checks(self, events: Sequence[Event]) -> Iterator[Problem]:
        """Judge the checks that no type carries; each costs most of a millisecond, whatever the number of events."""
        for one in self._slow_checks:
            asked = [index for index, event in enumerate(events) if one.concerns(event)]
            if not asked:
                continue
            holds = judge_check(self._frame([events[index] for index in asked]), one.check, one.column)
            for index, is_held in zip(asked, cast("pl.Series", holds), strict=True):
                if not is_held:
                    yield Problem(f"breaks the contract: {one.text}", field=one.column, event=index)

    def _frame(self, events: Sequence[Event]) -> pl.DataFrame:
        """The events in the contract's types; what was not given is null."""
        types = {name: polars_type(self._columns[name]) for name in self.names}
        rows = [[event.get(name) for name in self.names] for event in events]
        return pl.DataFrame(rows, schema=types, orient="row")

    def _refusal(self, body: bytes, error: Exception) -> RefusedRequestError:
        """Return what is wrong with a body that did not decode, looking at it again with patience."""
        try:
            document = json.loads(body.decode())
            msgspec.json.encode(document)  # no text may hold half a character, which no answer could name
        except (ValueError, RecursionError, OverflowError, msgspec.MsgspecError):
            return RefusedRequestError(400, f"the body is no JSON in UTF-8: {error}")
        rows = document if isinstance(document, list) else [document]
        return self._named(rows, error)

    def _named(self, rows: list[Any], error: Exception) -> RefusedRequestError:
        if len(rows) > MAXIMUM_EVENTS:
            return _too_many(len(rows))
        found = (problem for index, row in enumerate(rows) for problem in self._problems_of(row, index))
        return _wrong(list(islice(found, MAXIMUM_PROBLEMS)) or [Problem(str(error))])

    def _problems_of(self, row: object, index: int) -> Iterator[Problem]:
        if not isinstance(row, dict):
            yield Problem("an event is a JSON object", event=index)
            return
        for name in row:
            if name not in self._fields:
                told = f"unknown field; an event has {', '.join(self.names)}"
                yield Problem(told, field=str(name)[:100], event=index)
        for name in self.needed:
            if name not in row:
                yield Problem("is missing", field=name, event=index)
        for name, kind in self._fields.items():
            if name in row and (problem := _problem_with(row[name], kind)):
                yield Problem(problem, field=name, event=index)


def _documentation(doc: ColumnDoc, example: object) -> msgspec.Meta:
    text = doc.description
    if doc.unit:
        text += f" Unit: {doc.unit}."
    if doc.null_means:
        text += f" Null: {doc.null_means}."
    return msgspec.Meta(description=text, examples=None if example is None else [example])


def _can_judge(frame: pl.DataFrame, check: pa.Check) -> bool:
    """Whether a check over rows has a verdict for each row of a frame with these columns."""
    try:
        return not isinstance(judge_check(frame, check, None), bool)
    except Exception:  # the check is the user's code, and may read what a request does not have
        return False


def _not_carried(column: pa.Column) -> PackagingError:
    return PackagingError(
        f"column {column.name} has type {column.dtype}, which a request cannot carry: use a number, a text, a boolean "
        'or pl.Datetime("us", "UTC") in the contract'
    )


def _problem_with(value: object, kind: Any) -> str | None:
    if isinstance(value, float) and not math.isfinite(value):
        return f"is {value}, which is no number; a missing value is null where the contract allows it"
    try:
        msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError as error:
        return str(error)
    return None


def check_count(count: int) -> None:
    """Refuse a request of no event, or of too many, before its events are made.

    Raises: RefusedRequestError with 422.
    """
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
