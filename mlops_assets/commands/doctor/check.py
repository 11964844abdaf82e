"""One finding of `mlops doctor`, and how an exception becomes one."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from mlops_assets.core.errors import PlatformError
from mlops_assets.core.masking import masked

Status = Literal["ok", "warning", "failed"]
_LONGEST_MESSAGE = 600
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_ARROW = re.compile(r"\s*↳\s*")  # deltalake draws the causes of an error as a coloured tree


@dataclass(frozen=True)
class Check:
    """What was looked at, how it stands, and what to do when it is not ok."""

    area: str
    name: str
    status: Status
    detail: str
    action: str = ""


@dataclass(frozen=True)
class Checkup:
    """A group of checks that takes noticeable time; `run` may raise, which is a finding too."""

    area: str
    name: str
    run: Callable[[], Iterable[Check]]
    action: str
    """What to do when `run` raises."""

    def findings(self) -> Sequence[Check]:
        """Run the checks; an exception ends them and is the last finding. Credentials are masked in every text."""
        found: list[Check] = []
        try:
            found.extend(self.run())
        except Exception as error:  # the doctor's very purpose is to show what raises
            found.append(Check(self.area, self.name, "failed", _message(error), self.action))
        return [Check(c.area, c.name, c.status, masked(c.detail), masked(c.action)) for c in found]


def _message(error: Exception) -> str:
    """Name the cause that a library wrapped, since its own message often says only where."""
    cause: BaseException = error
    while not isinstance(cause, PlatformError) and cause.__cause__ is not None:
        cause = cause.__cause__
    text = f"{type(cause).__name__}: {_ARROW.sub(': ', _COLOUR.sub('', str(cause))).strip()}"
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]}…"
