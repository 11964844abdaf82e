"""The asset `bento`: the newest version's package, which answered like the offline executor before it counts."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from mlops_assets.assets.support.asset_options import product_asset, upstream
from mlops_assets.assets.support.latency import (
    LATENCY_CHECK,
    latency_check,
    smoke_metadata,
    with_latency_again,
)
from mlops_assets.assets.support.pictures import page_only
from mlops_assets.assets.support.recorded_reads import RecordedReads
from mlops_assets.assets.support.reuse import earlier_result
from mlops_assets.assets.support.table_writes import TableWrites
from mlops_assets.core.bento.build import BuiltBento, build_bento, built_bento
from mlops_assets.core.bento.golden_requests import golden_history, golden_requests
from mlops_assets.core.bento.latency import LatencyLimits
from mlops_assets.core.bento.training_match import require_training_match
from mlops_assets.core.model.libraries import installed_libraries, libraries_from_json
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.product import Product
from mlops_assets.core.registry.candidate import candidates_version
from mlops_assets.core.registry.registry import ModelRegistry
from mlops_assets.core.registry.tag_names import (
    BENTO_TAG,
    LIBRARIES_TAG,
    THRESHOLD_TAG,
    VIEW_TAG,
)
from mlops_assets.core.registry.version import ModelVersion
from mlops_assets.core.release.champion import champion_version
from mlops_assets.resources.lakehouse import LakehouseResource
from mlops_assets.resources.platform import PlatformResource
from mlops_assets.resources.releases import release_control
from mlops_assets.resources.tracking import TrackingResource

if TYPE_CHECKING:
    from mlops_assets.core.bento.smoke import SmokeResult


def bento_asset(product: Product) -> dg.AssetsDefinition:
    """Build the asset `bento` of one product."""
    key = dg.AssetKey([product.name, "bento"])
    limits = LatencyLimits(product.spec.release.latency_margin, product.spec.release.maximum_p99_ms)

    @product_asset(
        product,
        "bento",
        stage="release",
        kinds={"bentoml"},
        deps=[upstream(product, "model_version")],
        check_specs=[
            dg.AssetCheckSpec(
                LATENCY_CHECK,
                asset=key,
                description="Its answers under load are not slower than those of the champion's bento.",
            )
        ],
    )
    def bento(
        context: dg.AssetExecutionContext,
        lakehouse: LakehouseResource,
        tracking: TrackingResource,
        platform: PlatformResource,
    ) -> dg.MaterializeResult:
        """One thing is a BentoML package of the newest version that answered its golden requests in its own process.

        Made from `model_version`: model, feature view and pinned requirements, all as at training time. Served by
        itself, with the online state of recent events, it must give the offline features and scores to the last bit,
        also under load, and not be slower than the champion's bento in the same minute beyond doubt, or this fails and
        the previous release goes on. Used by `release`.
        """
        registry = ModelRegistry(tracking.tracking_uri)
        version = candidates_version(registry, lakehouse.tables, product.name)
        model, built = _built(registry, product, version, bentoml_home=platform.bentos)
        answered_right = {BENTO_TAG: built.tag}
        reads = RecordedReads(context, lakehouse.tables, product, noun="bento")
        reads.value("the bento", built.tag)
        reads.value("the slowest answers that are allowed", [limits.margin, limits.maximum_p99_ms])
        identity = reads.identity()
        if earlier := earlier_result(context, lakehouse.tables, product, "bento", identity=identity):
            registry.set_version_tags(product.name, version.version, answered_right)
            return with_latency_again(earlier, version=version.version)
        golden = golden_requests(product, model, *_golden_history(lakehouse, product))
        champion = _champions_bento(lakehouse, tracking, platform, product)
        from mlops_assets.core.bento.smoke import smoke_test  # its HTTP client takes long to import

        result = smoke_test(built, golden, limits=limits, champion=champion)
        answered = pl.DataFrame({"tag": [built.tag], "version": [version.version], "path": [str(built.path)]})
        writes = TableWrites(context, lakehouse, product, "bento", inputs=identity.to_json())
        writes.write(answered, None)
        registry.set_version_tags(product.name, version.version, answered_right)
        return writes.result(
            {"version": version.version, **_bento_metadata(product, built, result)},
            check_results=[
                latency_check(result.latency.verdict, result.latency.reason, version=version.version)
            ],
        )

    return bento


def _built(
    registry: ModelRegistry, product: Product, version: ModelVersion, *, bentoml_home: Path
) -> tuple[TrainedModel, BuiltBento]:
    """Return a version's model and its bento.

    Raises: PackagingError when the view or the libraries here are others than at its training.
    """
    require_training_match(
        f"{product.name} version {version.version}",
        trained_view=version.tags.get(VIEW_TAG),
        view=product.view.digest,
        trained_libraries=libraries_from_json(version.tags.get(LIBRARIES_TAG)),
        libraries=installed_libraries(),
    )
    model = registry.load(product.name, version.version)
    threshold = float(version.tags[THRESHOLD_TAG])
    built = build_bento(
        product, model, version=version.version, threshold=threshold, bentoml_home=bentoml_home
    )
    return model, built


@page_only
def _bento_metadata(product: Product, built: BuiltBento, result: "SmokeResult") -> dict[str, Any]:
    alone = f"BENTOML_HOME={built.bentoml_home} bentoml serve {built.tag}"
    return {
        "tag": built.tag,
        "path": dg.MetadataValue.path(str(built.path)),
        **smoke_metadata(result),
        "serve_it": dg.MetadataValue.text(f"mlops serve {product.name}"),
        "serve_it_alone": dg.MetadataValue.text(alone),
    }


def _champions_bento(
    lakehouse: LakehouseResource, tracking: TrackingResource, platform: PlatformResource, product: Product
) -> BuiltBento | None:
    """Return the bento of the version that answers; None when nothing is released, or its bento is not there."""
    champion = champion_version(release_control(lakehouse, tracking), product.name)
    tag = champion.tags.get(BENTO_TAG) if champion is not None else None
    bento = built_bento(tag, platform.bentos) if tag else None
    return bento if bento is not None and bento.path.exists() else None


def _golden_history(
    lakehouse: LakehouseResource, product: Product
) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    tables = lakehouse.tables
    labels = tables.scan(product.name, "labels") if product.view.needs_labels else None
    return golden_history(product, tables.scan(product.name, "events"), labels)
