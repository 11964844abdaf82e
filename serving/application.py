"""Puts a worker's endpoints together: the product's own, the Open Inference Protocol's, and the OpenAPI page."""

import msgspec

from mlops_assets.core.serving.arms import LoadedVersion
from mlops_assets.core.serving.manifest import BentoManifest
from serving.http_app import Endpoint, Handler, HttpAnswer, HttpApp, HttpRequest
from serving.open_inference import OpenInference
from serving.openapi import openapi_document
from serving.worker import Worker


def open_application(app: HttpApp, manifest: BentoManifest, own: LoadedVersion, *, is_first: bool) -> Worker:
    """Open the worker and let `app` answer with it.

    Raises: PackagingError as `Worker` does.
    """
    worker = Worker(manifest, own, is_first=is_first)
    product, spec = worker.product, worker.product.spec
    protocol = OpenInference(
        product.name,
        version=manifest.model_tag,
        types=worker.types,
        lane=worker.lane,
        is_ready=worker.is_ready,
    )
    document = openapi_document(
        title=spec.title,
        description=spec.description,
        version=manifest.model_tag,
        product=product.name,
        types=worker.types,
        example=worker.example,
    )
    page = Endpoint("/docs.json", {"GET": _constant(msgspec.json.encode(document))})
    app.serve(
        {**worker.endpoints.routes(), **protocol.routes(), "/docs.json": page},
        find=protocol.find,
        observe=worker.metrics.answered,
    )
    return worker


def _constant(content: bytes) -> Handler:
    async def answer(_: HttpRequest) -> HttpAnswer:
        return HttpAnswer(content)

    return answer
