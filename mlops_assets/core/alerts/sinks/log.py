"""The log as a sink: it takes everything, and is never down."""

import logging
from collections.abc import Mapping

from mlops_assets.core.alerts.message import Message, one_line
from mlops_assets.core.alerts.sinks.outcome import Outcome
from mlops_assets.core.declared.alerts import Severity

_LEVELS: Mapping[Severity, int] = {
    "info": logging.INFO,
    "warning": logging.WARNING,
    "critical": logging.ERROR,
}

logger = logging.getLogger(__name__)


class LogSink:
    """Writes one line per message, at the level of its severity."""

    def send(self, message: Message) -> Outcome:
        """Write the message."""
        level = logging.INFO if message.kind == "resolved" else _LEVELS[message.severity]
        facts = ", ".join(f"{name} {text}" for name, text in message.facts.items())
        logger.log(level, "%s: %s (%s)", message.title, one_line(message.reason), facts)
        return Outcome("delivered")
