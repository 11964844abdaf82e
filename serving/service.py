"""The BentoML service of one bento: events in, calibrated probabilities out, everything captured."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bentoml

from mlops_assets.core.errors import PackagingError
from mlops_assets.core.files import keep_to_owner
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.serving.arms import LoadedVersion
from mlops_assets.core.serving.manifest import EXAMPLE_FILE, MANIFEST_FILE, BentoManifest
from serving.following.life import follow_with_this_server
from serving.http.app import HttpApp
from serving.http.connections import bound_connections
from serving.http.fast_lane import FastLane

if TYPE_CHECKING:
    from serving.worker import Worker


def make_service(folder: Path) -> Any:
    """Return the BentoML service of the bento whose manifest and example lie in `folder`.

    The server follows the release plan from before it starts a worker. A worker serves the plan's models, and the
    bento's own where there is no plan.

    Raises: PackagingError when the manifest cannot be read, and on start when the view, or the model that is needed,
    does not match it.
    """
    manifest = BentoManifest.read(folder / MANIFEST_FILE)
    example = json.loads((folder / EXAMPLE_FILE).read_text(encoding="utf-8"))
    lane = HttpApp(leaves=("/metrics",))
    bound_connections(lane)

    @bentoml.service(
        name=manifest.product,
        description=manifest.declaration.title,
        workers=1,
        traffic={"timeout": 30},
        # `bentoml serve --host` or BENTOML_HOST lets other machines in.
        http={"host": "127.0.0.1"},  # pyright: ignore[reportArgumentType] - BentoML reads text
    )
    class Scoring:
        """Scores events; its endpoints are in front of BentoML's own (serving/http/fast_lane.py says how)."""

        stored_model = bentoml.models.BentoModel(manifest.model_tag)

        @bentoml.on_deployment
        @staticmethod
        def follow() -> None:
            """Follow the release plan for the server's whole life; BentoML calls it there, before any worker starts."""
            follow_with_this_server(manifest.product)

        def __init__(self) -> None:
            def own() -> LoadedVersion:
                model = _load(Path(self.stored_model.path), manifest)
                return LoadedVersion(manifest.version, model, manifest.threshold)

            self.worker = open_application(lane, manifest, own, example=example)

        @bentoml.on_startup
        async def start(self) -> None:
            """Watch the release plan."""
            self.worker.start()

        @bentoml.on_shutdown
        async def stop(self) -> None:
            """End what runs beside the requests."""
            self.worker.close()

        async def __is_ready__(self) -> bool:
            return await self.worker.health.is_ready()

    middleware: Any = FastLane  # BentoML's protocol describes a function, and takes a class as Starlette does
    Scoring.add_asgi_middleware(middleware, lane=lane)
    return Scoring


def open_application(
    app: HttpApp,
    manifest: BentoManifest,
    own: Callable[[], LoadedVersion],
    *,
    example: Mapping[str, object],
) -> "Worker":
    """Open the worker and let `app` answer with it: its own endpoints, the Open Inference Protocol's, and their page.

    `example` is an event that the page shows.

    manifest: of the bento. own: loads the version that the bento holds.

    Raises: PackagingError and ConfigurationError as `Worker` does.
    """
    # What only a worker needs: BentoML's supervisor imports this module too.
    from serving.http.open_inference import OpenInference
    from serving.http.openapi import openapi_document
    from serving.http.page import Page
    from serving.worker import Worker

    keep_to_owner()
    worker = Worker(manifest, own, example=example)
    product, declaration = worker.product, manifest.declaration
    protocol = OpenInference(
        product.name,
        version=manifest.model_tag,
        types=worker.types,
        lane=worker.lane,
        is_ready=worker.health.is_ready,
    )
    document = partial(
        openapi_document,
        title=declaration.title,
        description=declaration.description,
        version=manifest.model_tag,
        product=product.name,
        types=worker.types,
        asks_for_keys=worker.door is not None,
    )
    page = Page(
        worker.types,
        worker.scoring,
        example=example,
        document=lambda shown: document(example=shown),
        asks_for_keys=worker.door is not None,
    )
    app.door = worker.door
    app.serve(
        {**worker.endpoints.routes(), **protocol.routes(), **worker.health.routes(), **page.routes()},
        find=protocol.find,
        observe=worker.metrics.answered,
        columns=len(worker.types.names),
        turns=worker.lane.turns,
    )
    return worker


def _load(folder: Path, manifest: BentoManifest) -> TrainedModel:
    model = TrainedModel.load(folder)
    if model.digest != manifest.digest:
        raise PackagingError(
            f"{manifest.product} version {manifest.version}: the model in {folder} has digest "
            f"{model.digest[:12]}, the bento was built for {manifest.digest[:12]}; build it again"
        )
    return model
