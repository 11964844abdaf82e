"""Writes down what was decided and changes no plan: a refusal, a judgement on a canary, a request for a retraining."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from mlops_assets.core.errors import ReleaseRefusedError
from mlops_assets.core.free_text import harmless
from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.core.release.plan import Order
from mlops_assets.core.release.record import Entry, ReleaseRecord

REFUSED, JUDGED, RETRAIN_ASKED = "refused", "judged", "retraining_asked_for"


@dataclass(frozen=True)
class Note:
    """What was decided, about which version, on which evidence."""

    kind: str
    version: int | None
    evidence: Mapping[str, object] = field(default_factory=dict)
    """JSON values; their digest stands in the column `evidence`."""

    def entry(self, order: Order) -> Entry:
        """Return the entry of the record."""
        text = json.dumps(self.evidence, sort_keys=True, separators=(",", ":"))
        return Entry(
            kind=self.kind,
            at=order.since,
            by=order.by,
            reason=order.reason,
            version=self.version,
            evidence=hashlib.sha256(text.encode()).hexdigest(),
            detail=dict(self.evidence),
        )


def note(control: ReleaseControl, product: str, noted: Note, *, order: Order) -> bool:
    """Add the note, unless it repeats the newest one of its kind about the version; tell whether it was added."""
    entry = noted.entry(order)

    def added(record: ReleaseRecord) -> Sequence[Entry]:
        same = [e for e in record.entries if (e.kind, e.version) == (entry.kind, entry.version)]
        if same and (same[-1].reason, same[-1].evidence) == (entry.reason, entry.evidence):
            return ()
        return (entry,)

    before = len(control.record(product).entries)
    return len(control.change(product, added, follows_plan=False).entries) > before


@contextmanager
def refusals_noted(
    control: ReleaseControl, product: str, version: int | None, *, order: Order
) -> Iterator[None]:
    """Note a refusal that the block raises, and let it go on."""
    try:
        yield
    except ReleaseRefusedError as error:
        asked = Order(order.since, order.by, harmless(" ".join(str(error).split())))
        note(control, product, Note(REFUSED, version, {"asked_for": order.reason}), order=asked)
        raise
