"""Whether a sequence of messages tells a story that people can follow."""

from collections.abc import Mapping, Sequence

from mlops_assets.core.alerts.lifecycle import Condition, Key, OpenAlert, is_worse
from mlops_assets.core.alerts.message import Message
from mlops_assets_tests.support.alerts.messages import firing


def check_story(said: Sequence[Message], standing: Mapping[Key, OpenAlert]) -> None:
    """Opened once, worse only where it is, then resolved or open; ids differ."""
    now_open: dict[Key, Message] = {}
    for one in said:
        key = Key(one.product, one.rule, one.subject)
        if one.kind == "opened":
            assert key not in now_open
        else:
            last = now_open[key]
            assert one.alert_id == last.alert_id
            assert one.kind == "resolved" or is_worse(as_condition(one), as_condition(last))
        now_open[key] = one
        if one.kind == "resolved":
            del now_open[key]
    assert {key: one.alert_id for key, one in now_open.items()} == {k: a.id for k, a in standing.items()}
    assert len({one.id for one in said}) == len(said)


def as_condition(message: Message) -> Condition:
    return firing(severity=message.severity, value=message.value, limit=message.limit)
