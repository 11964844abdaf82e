"""Numbers of a product's online store: what waits in it to be collected, and whether it is sound."""

from collections.abc import Iterator
from contextlib import closing, suppress

from mlops_assets.core.errors import ServingError
from mlops_assets.core.exporter.metric import Metric, Sample
from mlops_assets.core.online_store.embedded.files import StoreFiles
from mlops_assets.core.online_store.embedded.reserve import Reserve
from mlops_assets.core.online_store.opening import is_store_there, open_online_store, store_file
from mlops_assets.core.serving.prediction_record import decode_record

MICROSECONDS = 1_000_000
"""Of a second: records hold times in them."""
BACKLOG = Metric(
    name="mlops_captured_predictions_waiting",
    meaning="Captured predictions in the online store that were not collected yet.",
)
OLDEST = Metric(
    name="mlops_captured_prediction_oldest_timestamp_seconds",
    meaning="When the request came of which the captured prediction waits longest; none where none waits.",
)
STATES = Metric(
    name="mlops_online_states",
    meaning="States of entities in the online store.",
)
DAMAGED = Metric(
    name="mlops_store_damaged",
    meaning="1 while the embedded online store is marked as damaged, and everybody refuses it.",
)
FULL = Metric(
    name="mlops_store_full",
    meaning="1 while the embedded online store takes nothing, since its disk is full.",
)
METRICS = (BACKLOG, OLDEST, STATES, DAMAGED, FULL)


def store_samples(product: str, location: str) -> Iterator[Sample]:
    """Yield the numbers of the product's store at `location`; none where there is no store, which is not made.

    Raises: OnlineStoreError when it does not answer. A damaged one is not asked.
    """
    if not is_store_there(location, product):
        return
    file = store_file(location, product)
    if file is not None:
        files = StoreFiles(file)
        is_damaged = files.damage() is not None
        yield DAMAGED.of(is_damaged, product)
        yield FULL.of(Reserve(files).is_spent, product)
        if is_damaged:
            return
    with closing(open_online_store(location, product)) as store:
        yield BACKLOG.of(store.captured_count(), product)
        for oldest in store.captured(limit=1):
            with suppress(ServingError):  # whoever collects it says that it cannot be read
                yield OLDEST.of(decode_record(oldest.content).received_at / MICROSECONDS, product)
        yield STATES.of(store.state_count(), product)
