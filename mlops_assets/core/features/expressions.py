"""Row expressions: a small closed language in which features and baselines are declared once, computed twice.

`Expression.over` computes a whole frame (offline); `core/features/online/row_features.py` compiles the same for one
event after another (online), with the same bits.

Values
- A number is a Float64: integers, booleans and flags are converted on entry. NaN counts as null, so 0/0 is
  null.
- A flag is an Int8, 1 or 0. A category is an Int64 index. Texts are compared by == and != with a constant
  text only.
- A null operand makes the result null, in every operation but `is_null` and `fill_null` (also in & and |).
- Division is IEEE 754: 1/0 is inf, 1/-0.0 is -inf. Of two equal operands (0.0 and -0.0) `minimum` and
  `maximum` give the left one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isnan

import polars as pl
import polars.selectors as cs

from mlops_assets.core.errors import FeatureError
from mlops_assets.core.features.operations import (
    OPERATIONS,
    Kind,
    Scalar,
    as_operand_column,
    category_index,
    is_kind,
)


@dataclass(frozen=True, eq=False)
class Expression:
    """A value computed from one row; build it with `col`, `literal`, operators and the methods below.

    == builds a comparison, as in Polars: two expressions are compared by their text, `str(expression)`.
    """

    @property
    def dtype(self) -> type[pl.DataType]:
        """Type of the result: Int8 for a flag, Int64 for a category, String for text, else Float64."""
        return pl.Float64

    def nodes(self) -> Iterator["Expression"]:
        """The expression and everything in it, outermost first."""
        yield self

    def columns(self) -> frozenset[str]:
        """Names of the columns that are read."""
        return frozenset(node.name for node in self.nodes() if isinstance(node, Column))

    def over(self, frame: pl.DataFrame) -> pl.Series:
        """The expression over `frame`, one value per row, as `dtype`; NaN in the frame counts as null.

        Raises: FeatureError for a missing column, a column of the wrong type or an unknown category, with an
        example.
        """
        missing = sorted(self.columns() - set(frame.columns))
        if missing:
            raise FeatureError(
                f"{self}: no column {', '.join(missing)}; the frame has {', '.join(frame.columns)}"
            )
        _check_columns(self, "number" if self.dtype == pl.Float64 else "any", frame)
        read = pl.col(self.columns()) if self.columns() else pl.first()
        return self.series(frame.select(read).with_columns(cs.float().fill_nan(None))).cast(self.dtype)

    def series(self, frame: pl.DataFrame) -> pl.Series:
        """The values as another operation takes them: those of a column as they stand in the frame."""
        raise NotImplementedError

    def __add__(self, other: "Expression | Scalar") -> "Expression":
        return _applied("+", self, other)

    def __radd__(self, other: Scalar) -> "Expression":
        return _applied("+", other, self)

    def __sub__(self, other: "Expression | Scalar") -> "Expression":
        return _applied("-", self, other)

    def __rsub__(self, other: Scalar) -> "Expression":
        return _applied("-", other, self)

    def __mul__(self, other: "Expression | Scalar") -> "Expression":
        return _applied("*", self, other)

    def __rmul__(self, other: Scalar) -> "Expression":
        return _applied("*", other, self)

    def __truediv__(self, other: "Expression | Scalar") -> "Expression":
        return _applied("/", self, other)

    def __rtruediv__(self, other: Scalar) -> "Expression":
        return _applied("/", other, self)

    def __lt__(self, other: "Expression | Scalar") -> "Expression":
        return _applied("<", self, other)

    def __le__(self, other: "Expression | Scalar") -> "Expression":
        return _applied("<=", self, other)

    def __gt__(self, other: "Expression | Scalar") -> "Expression":
        return _applied(">", self, other)

    def __ge__(self, other: "Expression | Scalar") -> "Expression":
        return _applied(">=", self, other)

    def __eq__(self, other: object) -> "Expression":  # pyright: ignore[reportIncompatibleMethodOverride]
        return _applied("==", self, other)

    def __ne__(self, other: object) -> "Expression":  # pyright: ignore[reportIncompatibleMethodOverride]
        return _applied("!=", self, other)

    __hash__ = object.__hash__

    def __and__(self, other: "Expression") -> "Expression":
        return _applied("&", self, other)

    def __or__(self, other: "Expression") -> "Expression":
        return _applied("|", self, other)

    def __bool__(self) -> bool:
        raise FeatureError(
            f"{self} has no truth value by itself: combine flags with & and |, not with and, or, not"
        )

    def is_null(self) -> "Expression":
        """1 where the value is missing, else 0; never null."""
        return Applied("is_null", (self,))

    def fill_null(self, value: Scalar) -> "Expression":
        """`value` where this is missing: text when `value` is text, else a number."""
        return Applied("text fill_null" if isinstance(value, str) else "fill_null", (self,), (value,))

    def clip(self, lower: float, upper: float) -> "Expression":
        """The number, limited to [lower, upper]."""
        return maximum(minimum(self, upper), lower)

    def is_weekend(self) -> "Expression":
        """1 when the timestamp is on a Saturday or Sunday in UTC, else 0."""
        return Applied("is_weekend", (self,))

    def hour_between(self, start: int, end: int) -> "Expression":
        """1 when start <= hour of the timestamp in UTC < end, else 0."""
        return Applied("hour_between", (self,), (start, end))

    def category(self, values: tuple[str, ...]) -> "Expression":
        """Position of the text in `values`, counted from 0; any other text is a FeatureError."""
        return Applied("category", (self,), (tuple(values),))

    def cast_float(self) -> "Expression":
        """The value as a Float64."""
        return Applied("cast_float", (self,))


@dataclass(frozen=True, eq=False)
class Column(Expression):
    """The value of a column."""

    name: str

    def series(self, frame: pl.DataFrame) -> pl.Series:
        """The column."""
        return frame.get_column(self.name)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, eq=False)
class Literal(Expression):
    """A constant."""

    value: Scalar

    def series(self, frame: pl.DataFrame) -> pl.Series:
        """The constant, once per row."""
        return pl.repeat(self.value, frame.height, dtype=self.dtype(), eager=True)

    @property
    def dtype(self) -> type[pl.DataType]:
        """String for text, else Float64."""
        return pl.String if isinstance(self.value, str) else pl.Float64

    def __str__(self) -> str:
        return repr(self.value)


@dataclass(frozen=True, eq=False)
class Applied(Expression):
    """An operation, by name, applied to expressions and constant arguments."""

    operation: str
    operands: tuple[Expression, ...]
    arguments: tuple[object, ...] = ()

    def series(self, frame: pl.DataFrame) -> pl.Series:
        """The operation's Polars form over its operands' columns."""
        operands = pl.DataFrame([x.series(frame).alias(str(at)) for at, x in enumerate(self.operands)])
        if self.operation == "category":
            for text in operands["0"].drop_nulls().unique().sort():
                category_index(text, *self.arguments)  # pyright: ignore[reportArgumentType]
        operation = OPERATIONS[self.operation]
        columns = [as_operand_column(pl.col(name), operation.operands) for name in operands.columns]
        result = operation.to_polars(*columns, *self.arguments)
        result = result.fill_nan(None) if operation.dtype == pl.Float64 else result.cast(operation.dtype)
        return operands.select(result).to_series()

    @property
    def dtype(self) -> type[pl.DataType]:
        """The type that the operation gives."""
        return OPERATIONS[self.operation].dtype

    def nodes(self) -> Iterator[Expression]:
        """The expression and its operands, outermost first."""
        yield self
        for operand in self.operands:
            yield from operand.nodes()

    def __str__(self) -> str:
        inner = [str(operand) for operand in self.operands] + [repr(argument) for argument in self.arguments]
        name = self.operation.removeprefix("text ")
        return f"{name}({', '.join(inner)})" if name.isidentifier() else f"({f' {name} '.join(inner)})"


def col(name: str) -> Expression:
    """The value of the column `name`."""
    return Column(name)


def literal(value: object) -> Expression:
    """A constant.

    Raises: FeatureError for anything but a number, a boolean or a text, and for NaN.
    """
    if not isinstance(value, (int, float, str)) or (isinstance(value, float) and isnan(value)):
        raise FeatureError(
            f"{value!r} is no constant of a row expression: give a number, a boolean or a text"
        )
    return Literal(value)


def minimum(left: Expression | Scalar, right: Expression | Scalar) -> Expression:
    """The smaller of two numbers; null when either is missing."""
    return _applied("minimum", left, right)


def maximum(left: Expression | Scalar, right: Expression | Scalar) -> Expression:
    """The larger of two numbers; null when either is missing."""
    return _applied("maximum", left, right)


def _applied(operation: str, *operands: object) -> Expression:
    expressions = tuple(o if isinstance(o, Expression) else literal(o) for o in operands)
    if any(expression.dtype == pl.String for expression in expressions):
        operation = f"text {operation}"
    if operation not in OPERATIONS:
        raise FeatureError(
            f"{operation.removeprefix('text ')} is not defined for text: {', '.join(map(str, operands))}"
        )
    return Applied(operation, expressions)


def _check_columns(expression: Expression, kind: Kind, rows: pl.DataFrame) -> None:
    """Raise FeatureError for a column of another kind than its operation takes."""
    if isinstance(expression, Column) and not is_kind(rows.schema[expression.name], kind):
        raise FeatureError(f"{expression} must be a {kind}, but the column is {rows.schema[expression.name]}")
    if isinstance(expression, Applied):
        for operand in expression.operands:
            _check_columns(operand, OPERATIONS[expression.operation].operands, rows)
