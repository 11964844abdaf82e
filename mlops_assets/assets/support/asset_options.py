"""What every asset of a product has in common: its key, group, kinds, tags, owners and partitions."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any, Literal, cast

import dagster as dg

from mlops_assets.assets.support.code_versions import asset_code, libraries_of
from mlops_assets.assets.support.recorded_reads import LIBRARIES
from mlops_assets.core.product import Product
from mlops_assets.core.product_spec import ProductSpec

Stage = Literal["data", "features", "training", "release", "operation", "monitoring"]


def daily_partitions(spec: ProductSpec) -> dg.DailyPartitionsDefinition | None:
    """Daily UTC partitions of a product with a time axis; None for a cohort."""
    if spec.time is None:
        return None
    end = None if spec.time.end_date is None else datetime.combine(spec.time.end_date, time(), UTC)
    return dg.DailyPartitionsDefinition(
        start_date=datetime.combine(spec.time.start_date, time(), UTC), end_date=end, timezone="UTC"
    )


def asset_options(
    product: Product,
    noun: str,
    *,
    stage: Stage,
    kinds: set[str],
    function: Callable[..., Any],
    is_partitioned: bool = False,
) -> dict[str, Any]:
    """Return the keyword arguments of `dg.asset` that follow from product, noun, stage and the asset's `function`.

    A partitioned asset of a cohort has no partitions; a range of days is materialized in one run.

    kinds: the badges that Dagster shows. is_partitioned: by the product's days.
    """
    spec, code = product.spec, asset_code(product, function)
    partitions = daily_partitions(spec) if is_partitioned else None
    return {
        "key": dg.AssetKey([spec.name, noun]),
        "group_name": f"{spec.name}/{stage}",
        "kinds": kinds,
        "owners": list(spec.owners),
        "tags": {"domain": spec.domain, **({"pii": "true"} if spec.pii else {})},
        "code_version": code.short_digest,
        "metadata": {LIBRARIES: dg.MetadataValue.json(libraries_of(code))},
        "partitions_def": partitions,
        "backfill_policy": dg.BackfillPolicy.single_run() if partitions else None,
    }


def product_asset(
    product: Product,
    noun: str,
    *,
    stage: Stage,
    kinds: set[str],
    is_partitioned: bool = False,
    deps: Sequence[dg.AssetDep] = (),
    check_specs: Sequence[dg.AssetCheckSpec] = (),
    description: str | None = None,
) -> Callable[[Callable[..., dg.MaterializeResult]], dg.AssetsDefinition]:
    """Decorate a function as the asset `noun` of the product; its docstring is the default description.

    stage: the group that it stands in. kinds: the badges that Dagster shows. is_partitioned: by the product's days.
    deps: the assets that it is made from. check_specs: the checks that it answers itself.
    """

    def decorate(function: Callable[..., dg.MaterializeResult]) -> dg.AssetsDefinition:
        options = asset_options(
            product, noun, stage=stage, kinds=kinds, function=function, is_partitioned=is_partitioned
        )
        decorator = dg.asset(**options, deps=deps, check_specs=check_specs, description=description)
        return cast("dg.AssetsDefinition", decorator(function))

    return decorate


def upstream(product: Product, noun: str, *, lookback: timedelta = timedelta(0)) -> dg.AssetDep:
    """Depend on another asset of the product; on its partitions of the days that `lookback` touches, too."""
    key = dg.AssetKey([product.name, noun])
    days = -(-lookback // timedelta(days=1))
    if product.spec.time is None or days == 0:
        return dg.AssetDep(key)
    mapping = dg.TimeWindowPartitionMapping(start_offset=-days, allow_nonexistent_upstream_partitions=True)
    return dg.AssetDep(key, partition_mapping=mapping)
