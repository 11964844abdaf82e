"""A product's service in a bento's own process, with the online states of its golden events."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from mlops_assets.core.golden_requests import GoldenRequests, golden_requests
from mlops_assets.core.online_store import ABSENT, StateChange
from mlops_assets.core.online_store_open import open_online_store
from mlops_assets.core.prediction_record import PredictionRecord, decode_record
from mlops_assets.core.smoke_test import served
from mlops_assets_tests.core.product_bento import SampledProduct, product_bento, sampled_product


@dataclass
class Served:
    """A product's service, its client, and the store beside it."""

    sampled: SampledProduct
    golden: GoldenRequests
    url: str
    client: httpx.Client
    store_folder: str

    def captured(self) -> list[PredictionRecord]:
        store = open_online_store(self.store_folder, self.sampled.product.name)
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


def serve(name: str, folder_of: pytest.TempPathFactory) -> Iterator[Served]:
    sampled = sampled_product(name)
    golden = golden_requests(sampled.product, sampled.model, sampled.events, sampled.labels)
    bento = product_bento(sampled, folder_of.mktemp("bentoml"))
    home = folder_of.mktemp("home")
    store = open_online_store(str(home / "online"), name)
    store.commit([StateChange(key, ABSENT, content) for key, content in golden.states], [])
    store.close()
    with (
        served(bento, home=home, timeout_seconds=120) as server,
        httpx.Client(base_url=server.url, timeout=30) as client,
    ):
        yield Served(sampled, golden, server.url, client, str(home / "online"))
