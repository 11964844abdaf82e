"""How two column layouts differ, as data and as text; used by contracts and by tables."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

Schema = Mapping[str, pl.DataType]


@dataclass(frozen=True)
class SchemaDifference:
    """Columns that are new, missing or retyped against an expected schema; empty parts mean no difference."""

    new: dict[str, pl.DataType]
    missing: dict[str, pl.DataType]
    retyped: dict[str, tuple[pl.DataType, pl.DataType]]
    """Column name to (expected, found)."""

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return bool(self.new or self.missing or self.retyped)

    def describe(self) -> str:
        """One line per column, in the order new, missing, retyped."""
        lines = [f"  new column {name}: {dtype}" for name, dtype in self.new.items()]
        lines += [f"  missing column {name}: expected {dtype}" for name, dtype in self.missing.items()]
        lines += [
            f"  retyped column {name}: expected {expected}, found {found}"
            for name, (expected, found) in self.retyped.items()
        ]
        return "\n".join(lines)


def schema_difference(found: Schema, expected: Schema) -> SchemaDifference:
    """Compare by column name and exact type; the order of columns is no difference."""
    return SchemaDifference(
        new={name: dtype for name, dtype in found.items() if name not in expected},
        missing={name: dtype for name, dtype in expected.items() if name not in found},
        retyped={
            name: (expected[name], dtype)
            for name, dtype in found.items()
            if name in expected and expected[name] != dtype
        },
    )
