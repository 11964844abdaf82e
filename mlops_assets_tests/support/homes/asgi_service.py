"""A product's ASGI application in this process, on a real SQLite store: the worker's own code, without a server."""

import asyncio
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

from prometheus_client import REGISTRY
from prometheus_client.registry import Collector

from mlops_assets.core.bento.golden_requests import example_event, golden_requests
from mlops_assets.core.online_store.opening import open_online_store
from mlops_assets.core.online_store.protocol import ABSENT, StateChange
from mlops_assets.core.serving.arms import LoadedVersion
from mlops_assets.core.serving.manifest import BentoManifest, ServedDeclaration
from mlops_assets.core.serving.prediction_record import PredictionRecord, decode_record
from mlops_assets_tests.support.homes.product_bento import THRESHOLD, SampledProduct, sampled_product
from serving.http.app import HttpApp
from serving.service import open_application
from serving.worker import Worker

JSON = ((b"content-type", b"application/json"),)


@dataclass
class Answered:
    """What the application sent."""

    status: int = 0
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""


@dataclass
class AsgiService:
    """The application and what lies behind it."""

    app: HttpApp
    worker: Worker
    sampled: SampledProduct
    store_location: str
    events: tuple[Mapping[str, object], ...]
    """Golden events, whose states are loaded."""

    async def ask(
        self,
        path: str,
        body: bytes | Iterable[bytes] | None = None,
        *,
        method: str | None = None,
        headers: Iterable[tuple[bytes, bytes]] = JSON,
        ends: bool = True,
    ) -> Answered:
        """Send one request; a body comes in its pieces, and is cut off by a disconnect unless it `ends`."""
        pieces = [body] if isinstance(body, bytes) else list(body or ())
        messages: list[dict[str, object]] = [
            {"type": "http.request", "body": piece, "more_body": not ends or number + 1 < len(pieces)}
            for number, piece in enumerate(pieces or [b""])
        ]
        messages += [{"type": "http.disconnect"}]
        waiting = iter(messages)
        answered = Answered()

        async def receive() -> Mapping[str, object]:
            return next(waiting)

        async def send(message: Mapping[str, object]) -> None:
            if message["type"] == "http.response.start":
                answered.status = message["status"]  # pyright: ignore[reportAttributeAccessIssue]
                answered.headers = dict(message["headers"])  # pyright: ignore[reportArgumentType, reportCallIssue]
            else:
                answered.body += message["body"]  # pyright: ignore[reportOperatorIssue]

        scope = {
            "type": "http",
            "method": method or ("GET" if body is None else "POST"),
            "path": path,
            "query_string": b"",
            "headers": list(headers),
        }
        endpoint = self.app.endpoint(path)
        assert endpoint is not None, path
        await self.app.answer(endpoint, scope, receive, send)
        return answered

    def captured(self) -> list[PredictionRecord]:
        """Every captured prediction, oldest first."""
        store = open_online_store(self.store_location, self.sampled.product.name)
        try:
            return [decode_record(one.content) for one in store.captured()]
        finally:
            store.close()


def counted(name: str, **labels: str) -> float:
    """The sum of one of the service's metrics in this process over the labels that are not given."""
    return sum(
        sample.value
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


@contextmanager
def asgi_service(
    name: str, folder: Path, *, store_location: str | None = None, api_keys: Path | None = None
) -> Iterator[AsgiService]:
    """Open a product's application on a store in `folder`, which has the golden events' states, or on the one that is
    named as it is; its metrics leave this process with it. `api_keys` is the file of keys that it asks for.
    """
    sampled, location = sampled_product(name), store_location or str(folder / "online")
    golden = golden_requests(sampled.product, sampled.model, sampled.events, sampled.labels)
    if store_location is None:
        store = open_online_store(location, name)
        store.commit([StateChange(key, ABSENT, content) for key, content in golden.states], [])
        store.close()
    before: set[Collector] = set(REGISTRY._collector_to_names)  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]
    app = HttpApp()
    own = {"MLOPS_HOME": str(folder), "MLOPS_ONLINE_STORE": location}
    if api_keys is not None:
        own["MLOPS_API_KEYS"] = str(api_keys)
    with mock.patch.dict(os.environ, own):
        worker = open_application(
            app,
            _manifest(sampled),
            lambda: LoadedVersion(3, sampled.model, THRESHOLD),
            example=example_event(sampled.product),
        )
    try:
        yield AsgiService(app, worker, sampled, location, golden.events)
    finally:
        worker.close()
        for collector in set(REGISTRY._collector_to_names) - before:  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]
            REGISTRY.unregister(collector)


def ask(
    service: AsgiService, path: str, body: bytes | Iterable[bytes] | None = None, **more: object
) -> Answered:
    """`AsgiService.ask` outside a running loop."""
    return asyncio.run(service.ask(path, body, **more))  # pyright: ignore[reportArgumentType]


def _manifest(sampled: SampledProduct) -> BentoManifest:
    spec = sampled.product.spec
    return BentoManifest(
        product=sampled.product.name,
        declaration=ServedDeclaration(
            title=spec.title,
            description=spec.description,
            label_description=spec.label.description,
            id_column=spec.id_column,
            entities=tuple(spec.entities),
        ),
        version=3,
        digest=sampled.model.digest,
        model_tag=f"{sampled.product.name}:v3",
        label=sampled.model.label,
        features=(),
        libraries=(("lightgbm", "4"),),
        threshold=THRESHOLD,
        view_digest=sampled.product.view.digest,
        sources_digest="",
    )
