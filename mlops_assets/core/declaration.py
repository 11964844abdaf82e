"""Whether a product's parts can work together: types that a request carries, checks that can be judged, names.

Everything that is wrong is said at once, each with file and line, when the product is loaded.
"""

import ast
import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path

import pandera.polars as pa
import polars as pl

from mlops_assets.core.contracts.carried import carried_as
from mlops_assets.core.contracts.contract import event_columns, polars_type
from mlops_assets.core.contracts.names import TIMES, problem_with, same_but_for_case
from mlops_assets.core.contracts.row_failures import check_text, judge_check
from mlops_assets.core.declared.monitors import Statistic
from mlops_assets.core.errors import ProductSpecError, TableError
from mlops_assets.core.lakehouse.storable_types import to_storable
from mlops_assets.core.product import Product
from mlops_assets.core.times import KNOWN_AT, UTC_TIME

_BY_VALUE = ("isin", "notin", "equal_to", "not_equal_to")
Problem = tuple[str, str]
"""The name that is wrong, and why."""


def check_declaration(product: Product) -> None:
    """Check what no single section of the declaration can see.

    Raises: ProductSpecError with one line per problem, each beginning with file and line.
    """
    contract = Path(inspect.getsourcefile(product.event_schema) or product.folder / "schemas.py")
    found = [(contract, *one) for one in contract_problems(product)]
    found += [(product.folder / "features.py", *one) for one in _feature_problems(product)]
    found += [(product.folder / "monitors.py", *one) for one in _monitor_problems(product)]
    found += [(product.folder / "defs.yaml", *one) for one in _declared_problems(product)]
    if found:
        lines = (f"{file}:{_line_of(file, name)}: {text}" for file, name, text in found)
        raise ProductSpecError("\n".join(dict.fromkeys(lines)))


def contract_problems(product: Product) -> list[Problem]:
    """Say what is wrong with the contract: columns, types, checks and settings."""
    schema = product.event_schema.to_schema()
    found = list(_setting_problems(schema))
    needed = {*product.view.input_columns, product.spec.id_column, *product.spec.entities}
    found += [
        (name, f"{name} is needed by the features or as an entity, but the contract has no such column")
        for name in sorted(needed)
        if name not in schema.columns
    ]
    for name, column in schema.columns.items():
        found += [(name, text) for text in _column_problems(product, column, is_needed=name in needed)]
        found += [(name, text) for text in _name_problems(name, roles=TIMES)]
    found += [
        (second, f"{second} and {first} differ in case only")
        for first, second in same_but_for_case(list(schema.columns))
    ]
    return found or list(_check_problems(schema))


def _setting_problems(schema: pa.DataFrameSchema) -> Iterator[Problem]:
    if schema.coerce:
        yield (
            "coerce",
            "coerce: a contract judges values and changes none (casts that lose nothing are made): leave it out",
        )
    if schema.parsers:
        yield "parser", "parsers: a contract judges values and changes none: change them in dataset.py"
    for name, column in schema.columns.items():
        if column.coerce and not schema.coerce:
            yield name, f"{name}: coerce: a contract judges values and changes none: leave it out"
        if column.regex:
            yield name, f"{name}: a column has one name: a pattern for many cannot be served"
        if column.default is not None:
            yield name, f"{name}: default: a missing value stays missing: say what null means"


def _column_problems(product: Product, column: pa.Column, *, is_needed: bool) -> Iterator[str]:
    name, dtype = str(column.name), polars_type(column)
    if dtype is not None:
        try:
            to_storable(pl.DataFrame(schema={name: dtype}), subject=product.name)
        except TableError as error:
            yield str(error)
            return
    is_outcome = bool((column.metadata or {}).get("outcome"))
    carried = carried_as(dtype)
    if is_needed and (carried is None or is_outcome):
        what = "an outcome" if is_outcome else f"of type {dtype or 'that is open'}"
        yield (
            f"{name} is needed by the features or as an entity, but it is {what}, which no request carries: it takes "
            "whole numbers, Float64, Float32, String, Enum, Categorical, Boolean and Datetime('us', 'UTC')"
        )
    if column.unique and is_outcome:
        yield f"{name}: an outcome never leaves raw_events, so that it cannot be unique among all events"
    if name == product.spec.id_column and (carried not in ("whole", "text") or column.nullable):
        yield f"{name} is the id: a whole number or a text, and never null"
    is_time = product.spec.time and name in (product.view.event_timestamp, KNOWN_AT)
    if is_time and (dtype != UTC_TIME or column.nullable):
        yield f"{name} must have the type Datetime('us', 'UTC') and never be null: all that happens has a time"


def _check_problems(schema: pa.DataFrameSchema) -> Iterator[Problem]:
    """Run every check on no rows: one that cannot run there can run nowhere."""
    types = {name: polars_type(column) or pl.Null() for name, column in schema.columns.items()}
    empty = pl.DataFrame(schema=types)
    for name, column in schema.columns.items():
        for check in column.checks:
            yield from ((name, f"{name}: {text}") for text in _cannot_run(empty, check, name))
    for check in schema.checks or ():
        yield from ((str(check.name), text) for text in _cannot_run(empty, check, None))


def _cannot_run(empty: pl.DataFrame, check: pa.Check, column: str | None) -> Iterator[str]:
    try:
        judge_check(empty, check, column)
    except pl.exceptions.PolarsError as error:
        yield f"check {check_text(check)} cannot be judged: {str(error).splitlines()[0]}"
    except Exception as error:  # what a check of the user's own does without rows is its own affair
        if check.name in _BY_VALUE:
            yield f"check {check_text(check)} cannot be judged: {str(error).splitlines()[0]}"


def _feature_problems(product: Product) -> Iterator[Problem]:
    names, own = product.view.feature_names, (product.spec.id_column, product.view.event_timestamp)
    for name in names:
        yield from ((name, text) for text in _name_problems(name))
        if name in own:
            yield name, f"feature {name} has the name of the id or of the event's time, which stand beside it"
    yield from (
        (second, f"features {first} and {second} differ in case only")
        for first, second in same_but_for_case(list(names))
    )


def _monitor_problems(product: Product) -> Iterator[Problem]:
    if not isinstance(product.monitors, Mapping):
        yield "MONITORS", "MONITORS maps names to monitors: Statistic(...), or a function of a window"
        return
    if product.monitors and product.spec.time is None:
        yield "MONITORS", "MONITORS: a cohort has no windows of days, which monitors look at"
    schema = product.event_schema.to_schema()
    types = {
        name: polars_type(schema.columns[name]) or pl.Null() for name in event_columns(product.event_schema)
    }
    for name, monitor in product.monitors.items():
        if not isinstance(name, str) or not name.isidentifier():
            yield str(name), f"MONITORS: {name!r} is no name: letters, digits and _ only"
        elif isinstance(monitor, Statistic):
            yield from ((name, f"{name}: {text}") for text in _statistic_problems(monitor, types))
        elif not callable(monitor):
            yield name, f"{name} is neither a Statistic nor a function of a window"


def _statistic_problems(statistic: Statistic, types: Mapping[str, pl.DataType]) -> Iterator[str]:
    if statistic.smallest_change is not None and not statistic.smallest_change > 0:
        yield f"smallest_change is more than 0, found {statistic.smallest_change}"
    if not isinstance(statistic.expression, pl.Expr):
        yield f"a statistic is a Polars expression, found {statistic.expression!r}"
        return
    try:
        made = pl.DataFrame(schema=dict(types)).select(statistic.expression)
    except pl.exceptions.ColumnNotFoundError as error:
        yield f"events have no column {str(error).splitlines()[0]}; they have {', '.join(types)}"
    except pl.exceptions.PolarsError as error:
        yield f"the expression cannot be computed: {str(error).splitlines()[0]}"
    else:
        if made.width != 1 or not (made.dtypes[0].is_numeric() or made.dtypes[0] == pl.Boolean):
            yield f"a statistic is one number, and this gives {', '.join(map(str, made.dtypes))}"


def _declared_problems(product: Product) -> Iterator[Problem]:
    spec = product.spec
    yield from ((spec.label.column, text) for text in _name_problems(spec.label.column))
    if spec.label.column in (spec.id_column, *TIMES):
        yield spec.label.column, f"label.column: {spec.label.column} is the id or a time"
    schema = product.event_schema.to_schema()
    outcomes = {name for name, column in schema.columns.items() if (column.metadata or {}).get("outcome")}
    known = {*schema.columns, *product.view.feature_names} - outcomes
    asked = {f"evaluation.slices: {one.column}": one.column for one in spec.evaluation.slices}
    if spec.evaluation.group_column:
        asked["evaluation.group_column"] = spec.evaluation.group_column
    for where, name in asked.items():
        if name not in known:
            yield name, f"{where}: neither an event's column nor a feature is called {name}"


def _name_problems(name: str, *, roles: tuple[str, ...] = ()) -> Iterator[str]:
    problem = None if name in roles else problem_with(name)
    if problem:
        yield problem


def _line_of(file: Path, name: str) -> int:
    """The line on which the name is declared: an attribute, a string, or the first line that has it."""
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    if file.suffix == ".py":
        try:
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.AnnAssign) and getattr(node.target, "id", None) == name:
                    return node.lineno
                if isinstance(node, ast.FunctionDef) and node.name == name:
                    return node.lineno
                if isinstance(node, ast.Constant) and node.value == name:
                    return node.lineno
        except SyntaxError:
            return 1
    lines = text.splitlines()
    return next((number for number, line in enumerate(lines, 1) if name in line), 1)
