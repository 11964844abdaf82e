"""An event as a request brings it: plain values by column."""

from collections.abc import Mapping

Value = int | float | str | bool | None
Event = Mapping[str, Value]
"""One event by column; times are microseconds since the epoch, UTC."""
