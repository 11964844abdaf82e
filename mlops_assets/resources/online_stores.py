"""The online stores as a Dagster resource."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from mlops_assets.core.online_store.opening import open_online_store
from mlops_assets.core.online_store.protocol import OnlineStore


@dataclass(frozen=True)
class OnlineStores:
    """The online store of each product, at one location.

    It is no ConfigurableResource: Dagster's UI shows the configuration of those, and the location may hold a password.
    """

    location: str = field(repr=False)

    @contextmanager
    def opened(self, product: str) -> Iterator[OnlineStore]:
        """Open the product's store, and close it afterwards."""
        store = open_online_store(self.location, product)
        try:
            yield store
        finally:
            store.close()
