"""Feature views as JSON: what a model's features were is stored with it, and computed again from that."""

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import timedelta
from inspect import signature
from math import isfinite
from typing import Any, TypeVar, cast

from mlops_assets.core.errors import FeatureError
from mlops_assets.core.features.expressions import Applied, Column, Expression, Literal
from mlops_assets.core.features.operations import OPERATIONS
from mlops_assets.core.features.view import FeatureView, RowFeature, WindowFeature
from mlops_assets.core.formats import other_format

T = TypeVar("T")
FORMAT_VERSION = 1
LARGEST_TEXT = 4_000_000
"""Characters."""
DEEPEST_EXPRESSION = 150
"""Operations inside each other."""
_MICROSECOND = timedelta(microseconds=1)
_WINDOW_FIELDS = tuple(field.name for field in fields(WindowFeature))
_ROW_FIELDS = tuple(field.name for field in fields(RowFeature))
_CONSTANTS: Mapping[str, tuple[type, ...]] = {
    "fill_null": (float,),
    "text fill_null": (str,),
    "hour_between": (int, int),
    "category": (tuple,),
}
"""Operation to the types of its constant arguments; the others take operands only."""


def view_to_json(view: FeatureView) -> str:
    """Return the view as canonical JSON: equal views give equal texts, and `view_from_json` the same view.

    Raises: FeatureError for a view that would not come back the same: too large, too deep, or with a constant that is
    no plain number, text or boolean.
    """
    content = {
        "format_version": FORMAT_VERSION,
        "name": view.name,
        "id_column": view.id_column,
        "event_timestamp": view.event_timestamp,
        "features": [_feature_to_plain(feature) for feature in view.features],
    }
    text = json.dumps(content, sort_keys=True, indent=1, allow_nan=False) + "\n"
    if view_from_json(text).digest != view.digest:
        raise FeatureError(
            f"view {view.name} cannot be stored exactly: give constants as plain numbers, texts or booleans"
        )
    return text


def view_from_json(text: str) -> FeatureView:
    """Return the view that `view_to_json` wrote, with the same digest.

    Raises: FeatureError for another format, an unknown operation or key, a wrong type, or a text that is too large or
    too deep.
    """
    if len(text) > LARGEST_TEXT:
        raise FeatureError(f"a stored view has {len(text)} characters, allowed are {LARGEST_TEXT}")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FeatureError(f"a stored view is no JSON that can be read: {error}") from error
    version = content.get("format_version") if isinstance(content, dict) else None
    if version != FORMAT_VERSION or isinstance(version, bool):
        remedy = "use the version that stored it, or train the model again"
        raise FeatureError(other_format("a stored view", version, readable=FORMAT_VERSION, remedy=remedy))
    view = _members(content, "format_version", "name", "id_column", "event_timestamp", "features")
    time_column = view["event_timestamp"]
    return FeatureView(
        name=_of(str, view["name"]),
        id_column=_of(str, view["id_column"]),
        event_timestamp=None if time_column is None else _of(str, time_column),
        features=tuple(_feature(item) for item in _of(list, view["features"])),
    )


def _feature_to_plain(feature: RowFeature | WindowFeature) -> dict[str, Any]:
    if isinstance(feature, RowFeature):
        plain = {name: getattr(feature, name) for name in _ROW_FIELDS}
        return {"row": plain | {"expression": _expression_to_plain(feature.expression)}}
    plain = {name: getattr(feature, name) for name in _WINDOW_FIELDS}
    times = {
        "windows": [window // _MICROSECOND for window in feature.windows],
        "delay": feature.delay // _MICROSECOND,
        "when_empty": _constant_to_plain(feature.when_empty),
    }
    return {"window": plain | times}


def _expression_to_plain(expression: Expression, depth: int = 0) -> dict[str, Any]:
    _check_depth(depth)
    if isinstance(expression, Column):
        return {"column": expression.name}
    if isinstance(expression, Literal):
        return {"constant": _constant_to_plain(expression.value)}
    applied = cast("Applied", expression)
    return {
        "operation": applied.operation,
        "operands": [_expression_to_plain(operand, depth + 1) for operand in applied.operands],
        "constants": [_constant_to_plain(argument) for argument in applied.arguments],
    }


def _constant_to_plain(value: object) -> object:
    """The constant as JSON has it; JSON has no infinity."""
    return {"number": repr(value)} if isinstance(value, float) and not isfinite(value) else value


def _feature(plain: object) -> RowFeature | WindowFeature:
    (kind, content), *others = _of(dict, plain).items() or [("", None)]
    if others or kind not in ("row", "window"):
        raise FeatureError(f"a stored view has a feature of an unknown kind: {', '.join(_of(dict, plain))}")
    if kind == "row":
        row = _members(content, *_ROW_FIELDS)
        texts = {name: _of(str, row[name]) for name in _ROW_FIELDS if name != "expression"}
        return RowFeature(expression=_expression(row["expression"]), **texts)
    return _window_feature(_members(content, *_WINDOW_FIELDS))


def _window_feature(plain: Mapping[str, Any]) -> WindowFeature:
    texts = {
        name: _of(str, plain[name])
        for name in ("name", "stream", "entity", "aggregation", "description", "unit", "null_means")
    }
    column, when_empty = plain["column"], _constant(plain["when_empty"])
    return WindowFeature(
        **cast(
            "dict[str, Any]", texts
        ),  # the view itself refuses a stream or an aggregation that it does not know
        windows=tuple(_duration(window) for window in _of(list, plain["windows"])),
        column=None if column is None else _of(str, column),
        delay=_duration(plain["delay"]),
        includes_current=_of(bool, plain["includes_current"]),
        decimals=_of(int, plain["decimals"]),
        when_empty=None if when_empty is None else _of(float, when_empty),
    )


def _duration(plain: object) -> timedelta:
    try:
        return _of(int, plain) * _MICROSECOND
    except OverflowError as error:
        raise FeatureError(f"a stored view has a duration of {plain} microseconds") from error


def _expression(plain: object, depth: int = 0) -> Expression:
    _check_depth(depth)
    node = _of(dict, plain)
    kinds: Mapping[frozenset[str], Callable[[], Expression]] = {
        frozenset({"column"}): lambda: Column(_of(str, node["column"])),
        frozenset({"constant"}): lambda: Literal(_scalar(node["constant"])),
        frozenset({"operation", "operands", "constants"}): lambda: _applied(node, depth),
    }
    build = kinds.get(frozenset(node))
    if build is None:
        raise FeatureError(f"a stored view has an unknown expression: {', '.join(sorted(node)) or 'nothing'}")
    return build()


def _applied(node: Mapping[str, Any], depth: int) -> Applied:
    name = _of(str, node["operation"])
    if name not in OPERATIONS:
        raise FeatureError(f"a stored view has an unknown operation {name!r}")
    operands = tuple(_expression(operand, depth + 1) for operand in _of(list, node["operands"]))
    given, types = _of(list, node["constants"]), _CONSTANTS.get(name, ())
    taken = len(signature(OPERATIONS[name].to_polars).parameters) - len(types)
    if len(operands) != taken or len(given) != len(types):
        raise FeatureError(
            f"a stored view gives {name} {len(operands)} operands and {len(given)} constants; it takes {taken} and "
            f"{len(types)}"
        )
    constants = tuple(
        tuple(_of(str, text) for text in _of(list, value)) if wanted is tuple else _of(wanted, _scalar(value))
        for value, wanted in zip(given, types, strict=True)
    )
    return Applied(name, operands, constants)


def _scalar(plain: object) -> int | float | str | bool:
    value = _constant(plain)
    if not isinstance(value, int | float | str):
        raise FeatureError(f"a stored view has {value!r} where a constant belongs")
    return value


def _constant(plain: object) -> object:
    if not isinstance(plain, dict):
        return plain
    number = _members(plain, "number")["number"]
    if number not in ("inf", "-inf", "nan"):
        raise FeatureError(f"a stored view has the number {number!r}")
    return float(number)


def _members(plain: object, *names: str) -> dict[str, Any]:
    found = _of(dict, plain)
    if set(found) != set(names):
        differing = ", ".join(sorted(set(found) ^ set(names)))
        raise FeatureError(f"a stored view has missing or unknown keys: {differing}")
    return found


def _of(wanted: type[T], value: object) -> T:
    """The value, when it is of this type; a number may be any of Python's, and nothing else counts as another."""
    is_number = wanted is float and isinstance(value, int | float)
    if type(value) is not wanted and not is_number:
        raise FeatureError(f"a stored view has {value!r} where a value of type {wanted.__name__} belongs")
    return cast("T", value)


def _check_depth(depth: int) -> None:
    if depth > DEEPEST_EXPRESSION:
        raise FeatureError(
            f"an expression of a view has more than {DEEPEST_EXPRESSION} operations inside each other"
        )
