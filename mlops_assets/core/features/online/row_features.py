"""Row expressions compiled for one request after another: one generated function over values that were read once.

They give, bit for bit, what `Expression.over` gives a frame, without looking at types again: `EventReader` has done so.
"""

from collections.abc import Callable, Mapping, Sequence
from math import isinf, isnan

import polars as pl

from mlops_assets.core.errors import FeatureError, InvalidEventError
from mlops_assets.core.features.expressions import Applied, Column, Expression, Literal
from mlops_assets.core.features.online.generated_function import GeneratedFunction
from mlops_assets.core.features.operations import OPERATIONS, Kind

RowFeatures = Callable[[Sequence[object], list[float | None]], None]
"""From the values that were read of the event, and a list in which those of its window features stand, to the other
places of that list.
"""


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


def compile_row_features(
    expressions: Mapping[int, Expression], reader: EventReader, windows: Mapping[str, int]
) -> RowFeatures:
    """Compile the row features by the place of their value; `windows` says at which place each window feature stands.

    Raises: FeatureError when a feature is a text, which no model takes.
    """
    code = _RowCode(reader, windows)
    for place, expression in expressions.items():
        if expression.dtype == pl.String:
            raise FeatureError(f"{expression} is a text: make a category of it")
        code.function.write(f"features[{place}] = {code.value(expression, 'number')}")
    return code.function.compiled()


_MAKES_NAN = ("+", "-", "*", "/")
"""Of finite and infinite operands; NaN is null."""


class _RowCode:
    """The source of all row features of a view: each different part of an expression is computed once, into a name."""

    def __init__(self, reader: EventReader, windows: Mapping[str, int]) -> None:
        self.function = GeneratedFunction("row_features", ("values", "features"))
        self._reader, self._windows = reader, windows
        self._names: dict[tuple[str, Kind], str] = {}

    def value(self, expression: Expression, kind: Kind) -> str:
        """The name of an expression's value as an operand of this kind; None is null."""
        key = repr(expression), kind
        if key not in self._names:
            source = self._source(expression, kind)
            self._names[key] = name = f"value_{len(self._names)}"
            self.function.write(f"{name} = {source}")
            if isinstance(expression, Applied) and expression.operation in _MAKES_NAN:
                self.function.write(f"if {name} != {name}: {name} = None")
        return self._names[key]

    def _source(self, expression: Expression, kind: Kind) -> str:
        if isinstance(expression, Column):
            if expression.name in self._windows:
                return f"features[{self._windows[expression.name]}]"
            return f"values[{self._reader.place(expression.name, kind)}]"
        if isinstance(expression, Literal):
            return self.function.name(float(expression.value) if kind == "number" else expression.value)
        if not isinstance(expression, Applied):
            raise FeatureError(
                f"{expression} cannot be compiled: it is neither column, constant nor operation"
            )
        if kind == "number" and expression.dtype != pl.Float64:
            inner = self.value(expression, "any")
            return f"None if {inner} is None else float({inner})"
        return self._applied(expression)

    def _applied(self, expression: Applied) -> str:
        operation = OPERATIONS[expression.operation]
        operands = [self.value(operand, operation.operands) for operand in expression.operands]
        arguments = [self.function.name(argument) for argument in expression.arguments]
        if operation.name == "category":
            source = f"{self.function.name(_category(expression))}({operands[0]})"
        elif isinstance(operation.python, str):
            source = operation.python.format(*operands, *arguments)
        else:
            source = f"{self.function.name(operation.python)}({', '.join((*operands, *arguments))})"
        if operation.name == "/":
            source = f"{operands[0]} / {operands[1]} if {operands[1]} else {source}"
        if operation.sees_null:
            return source
        nullable = [
            name
            for name, operand in zip(operands, expression.operands, strict=True)
            if not isinstance(operand, Literal)
        ]
        is_null = " or ".join(f"{name} is None" for name in dict.fromkeys(nullable))
        return f"None if {is_null} else {source}" if is_null else source


def _category(expression: Applied) -> Callable[[str], int]:
    known = expression.arguments[0]
    places = {text: place for place, text in enumerate(known)}  # pyright: ignore[reportArgumentType]
    field = next(iter(expression.columns()), None)

    def place_of(text: str) -> int:
        if text not in places:
            raise InvalidEventError(
                f"{field} must be one of {', '.join(places)}, but is {text!r}", field=field
            )
        return places[text]

    return place_of
