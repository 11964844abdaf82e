"""A product's service in a bento's own process, with the online states of its golden events."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import httpx
import psutil

from mlops_assets.core.bento.build import BuiltBento
from mlops_assets.core.bento.golden_requests import GoldenRequests, golden_requests
from mlops_assets.core.bento.server import served
from mlops_assets.core.online_store.opening import open_online_store
from mlops_assets.core.online_store.protocol import ABSENT, StateChange
from mlops_assets.core.serving.prediction_record import PredictionRecord, decode_record
from mlops_assets_tests.support.homes.product_bento import SampledProduct, product_bento, sampled_product


@dataclass
class Served:
    """A product's service, its client, and the store beside it."""

    sampled: SampledProduct
    golden: GoldenRequests
    url: str
    client: httpx.Client
    store_location: str

    def captured(self) -> list[PredictionRecord]:
        store = open_online_store(self.store_location, self.sampled.product.name)
        try:
            return [decode_record(one.content) for one in store.captured()]
        finally:
            store.close()

    def event(self, **changes: object) -> dict[str, object]:
        """The newest golden event under an id that nobody used, with changes."""
        key = self.sampled.product.spec.id_column
        return {**self.golden.events[-1], key: 10_000_000 + len(self.captured()), **changes}

    def predict(self, body: object) -> httpx.Response:
        content = json.dumps(body)  # httpx refuses to write NaN by itself
        return self.client.post("/predict", content=content, headers={"Content-Type": "application/json"})

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels and all workers."""
        lines = self.client.get("/metrics").text.splitlines()
        return sum(
            float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((f"{name} ", f"{name}{{"))
        )


def answering_process(client: httpx.Client) -> int:
    """The process that holds the other end of the client's connection."""
    stream = client.get("/model").extensions["network_stream"]
    ours = stream.get_extra_info("client_addr")
    for connection in psutil.net_connections("tcp"):
        if connection.raddr == ours and connection.pid is not None:
            return connection.pid
    raise AssertionError("no process holds the connection")


@cache
def bento_of(name: str, bentoml_home: Path) -> BuiltBento:
    """The product's bento, built once for all services of a test session."""
    return product_bento(sampled_product(name), bentoml_home)


def serve(
    name: str,
    *,
    bentoml_home: Path,
    home: Path,
    store_location: str | None = None,
    workers: int = 1,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Served]:
    """Serve a product in `home`, on a store of its own there or the one at `store_location`."""
    sampled = sampled_product(name)
    golden = golden_requests(sampled.product, sampled.model, sampled.events, sampled.labels)
    location = store_location or str(home / "online")
    store = open_online_store(location, name)
    store.commit([StateChange(key, ABSENT, content) for key, content in golden.states], [])
    store.close()
    own = {"MLOPS_ONLINE_STORE": location, **(environment or {})}
    with (
        served(
            bento_of(name, bentoml_home), home=home, timeout_seconds=300, workers=workers, environment=own
        ) as server,
        httpx.Client(base_url=server.url, timeout=30) as client,
    ):
        yield Served(sampled, golden, server.url, client, location)
