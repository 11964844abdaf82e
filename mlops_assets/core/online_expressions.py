"""Row expressions compiled for one request after another: nested closures over values that were read once.

They give, bit for bit, what `Expression.evaluate` gives, without looking at types again: `EventReader` has done so.
What must not live here: the operations themselves (`expression_operations`), aggregation over rows.
"""

from collections.abc import Callable, Mapping, Sequence
from math import isinf, isnan

import polars as pl

from mlops_assets.core.errors import FeatureError, InvalidEventError
from mlops_assets.core.expression_operations import OPERATIONS, Kind
from mlops_assets.core.expressions import Applied, Column, Expression, Literal

Values = Sequence[object]
Compiled = Callable[[Values, Sequence[float | None]], object]
"""From the values that were read of the event, and a list in which those of its window features stand."""
_HOUR = 3_600_000_000
_DAY = 24 * _HOUR
_EPOCH_WEEKDAY = 3
"""1970-01-01 was a Thursday, counted from Monday as 0."""


class EventReader:
    """Reads each column of an event once per kind of use, as it is asked for while a view is compiled."""

    def __init__(self) -> None:
        self._places: dict[tuple[str, Kind], int] = {}
        self._readers: list[tuple[str, Callable[[str, object], object]]] = []

    def place(self, column: str, kind: Kind) -> int:
        """Where the column's value of this kind stands among those that `read` returns."""
        if (column, kind) not in self._places:
            self._places[column, kind] = len(self._readers)
            self._readers.append((column, _READERS[kind]))
        return self._places[column, kind]

    def read(self, event: Mapping[str, object]) -> list[object]:
        """The values: numbers as float, timestamps as microseconds, texts and others as they are; NaN is None.

        Raises: InvalidEventError for a missing column or a value of another kind.
        """
        try:
            return [
                None if (value := event[column]) is None else reader(column, value)
                for column, reader in self._readers
            ]
        except KeyError as error:
            raise _missing(error.args[0]) from None


def read_value(event: Mapping[str, object], column: str, kind: Kind) -> object:
    """One column's value as `EventReader.read` gives it, with its errors."""
    if column not in event:
        raise _missing(column)
    value = event[column]
    return None if value is None else _READERS[kind](column, value)


def _missing(column: str) -> InvalidEventError:
    return InvalidEventError(f"{column} is missing: send it, null if unknown", field=column)


def _number(column: str, value: object) -> float | None:
    if not isinstance(value, (int, float)):
        raise InvalidEventError(f"{column} must be a number, but is {value!r}", field=column)
    try:
        number = float(value)
    except OverflowError:
        number = float("inf")
    if isinf(number):
        raise InvalidEventError(f"{column} must be finite, but is {value!r:.40}", field=column)
    return None if isnan(number) else number


def _text(column: str, value: object) -> str:
    if not isinstance(value, str):
        raise InvalidEventError(f"{column} must be a text, but is {value!r}", field=column)
    return _any(column, value)  # pyright: ignore[reportReturnType]


def _timestamp(column: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not -(2**61) < value < 2**61:
        raise InvalidEventError(
            f"{column} must be a time in microseconds since 1970, UTC, but is {value!r:.40}", field=column
        )
    return value


def _any(column: str, value: object) -> object:
    if isinstance(value, int):
        if -(2**63) <= value < 2**64:
            return value
        raise InvalidEventError(f"{column} must have at most 64 bits, but is {value!r:.40}", field=column)
    if isinstance(value, float):
        number = _number(column, value)
        return None if number is None else number + 0.0
    if not isinstance(value, str):
        raise InvalidEventError(f"{column} must be a number or a text, but is {value!r}", field=column)
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise InvalidEventError(f"{column} is no valid Unicode text: {error}", field=column) from error
    return value


_READERS: Mapping[Kind, Callable[[str, object], object]] = {
    "number": _number,
    "text": _text,
    "timestamp": _timestamp,
    "any": _any,
}


def compile_feature(expression: Expression, reader: EventReader, windows: Mapping[str, int]) -> Compiled:
    """Compile a row feature; `windows` says at which place each window feature stands.

    Raises: FeatureError when the feature is a text, which no model takes.
    """
    if expression.dtype == pl.String:
        raise FeatureError(f"{expression} is a text: make a category of it")
    return _compiled(expression, "number", reader, windows)


def _compiled(
    expression: Expression, kind: Kind, reader: EventReader, windows: Mapping[str, int]
) -> Compiled:
    if isinstance(expression, Column):
        return _column(expression.name, kind, reader, windows)
    if isinstance(expression, Literal):
        value = float(expression.value) if kind == "number" else expression.value
        return lambda values, window_values: value
    if not isinstance(expression, Applied):
        raise FeatureError(f"{expression} cannot be compiled: it is neither column, constant nor operation")
    compiled = _applied(expression, reader, windows)
    return _as_float(compiled) if kind == "number" and expression.dtype != pl.Float64 else compiled


def _column(name: str, kind: Kind, reader: EventReader, windows: Mapping[str, int]) -> Compiled:
    if name in windows:
        place = windows[name]
        return lambda values, window_values: window_values[place]
    place = reader.place(name, kind)
    return lambda values, window_values: values[place]


def _as_float(inner: Compiled) -> Compiled:
    def convert(values: Values, window_values: Sequence[float | None]) -> object:
        value = inner(values, window_values)
        return None if value is None else float(value)  # pyright: ignore[reportArgumentType]

    return convert


def _applied(expression: Applied, reader: EventReader, windows: Mapping[str, int]) -> Compiled:
    operation, arguments = OPERATIONS[expression.operation], expression.arguments
    operands = [_compiled(operand, operation.operands, reader, windows) for operand in expression.operands]
    if operation.name == "is_weekend":
        return _of_timestamp(operands[0], lambda time: (time // _DAY + _EPOCH_WEEKDAY) % 7 >= 5)
    if operation.name == "hour_between":
        first, end = arguments
        return _of_timestamp(operands[0], lambda time: first <= time % _DAY // _HOUR < end)  # pyright: ignore[reportOperatorIssue]
    apply = operation.apply
    if operation.name == "category":
        return _category(operands[0], expression)
    if operation.sees_null:
        return lambda values, window_values: apply(*[x(values, window_values) for x in operands], *arguments)
    if len(operands) == 1:
        return _unary(apply, operands[0], arguments)
    return _binary(apply, *operands)


def _of_timestamp(operand: Compiled, test: Callable[[int], bool]) -> Compiled:
    def evaluate(values: Values, window_values: Sequence[float | None]) -> object:
        time = operand(values, window_values)
        return None if time is None else test(time)  # pyright: ignore[reportArgumentType]

    return evaluate


def _category(operand: Compiled, expression: Applied) -> Compiled:
    known = expression.arguments[0]
    places = {text: place for place, text in enumerate(known)}  # pyright: ignore[reportArgumentType]
    field = next(iter(expression.columns()), None)

    def evaluate(values: Values, window_values: Sequence[float | None]) -> object:
        text = operand(values, window_values)
        if text is None:
            return None
        if text not in places:
            raise InvalidEventError(
                f"{field} must be one of {', '.join(places)}, but is {text!r}", field=field
            )
        return places[text]

    return evaluate


def _unary(apply: Callable[..., object], operand: Compiled, arguments: tuple[object, ...]) -> Compiled:
    def evaluate(values: Values, window_values: Sequence[float | None]) -> object:
        value = operand(values, window_values)
        return None if value is None else apply(value, *arguments)

    return evaluate


def _binary(apply: Callable[..., object], left: Compiled, right: Compiled) -> Compiled:
    def evaluate(values: Values, window_values: Sequence[float | None]) -> object:
        first = left(values, window_values)
        if first is None:
            return None
        second = right(values, window_values)
        if second is None:
            return None
        result = apply(first, second)
        return None if isinstance(result, float) and isnan(result) else result

    return evaluate
