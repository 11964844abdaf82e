"""What became of an attempt to send a message, and what every sink can do."""

from dataclasses import dataclass
from typing import Literal, Protocol

from mlops_assets.core.alerts.message import Message


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended. The remark names no address and no secret."""

    state: Literal["delivered", "refused", "down"]
    """refused: the sink answers, and does not take this message; down: it takes none at present."""
    remark: str = ""
    retry_after: float | None = None
    """Seconds that the sink asks for before the next attempt."""


class Sink(Protocol):
    """A way to people; it never raises, and each attempt ends within a bounded time."""

    def send(self, message: Message) -> Outcome:
        """Try once to hand the message over."""
        ...
