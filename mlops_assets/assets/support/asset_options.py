"""What every asset of a product has in common: its key, group, kinds, tags, owners and partitions."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any, Literal, cast

import dagster as dg

from mlops_assets.assets.support.code_versions import asset_code, libraries_of
from mlops_assets.assets.support.recorded_reads import LIBRARIES
from mlops_assets.core.product import Product
from mlops_assets.core.product_spec import ProductSpec
from mlops_assets.core.times import day_after, first_day_of

_MONDAY = 1
_SHORTEST_DAYS = {"day": 1, "week": 7, "month": 28}
Stage = Literal["data", "features", "training", "release", "operation", "monitoring"]


def partitions_of(spec: ProductSpec) -> dg.TimeWindowPartitionsDefinition | None:
    """UTC partitions of a product with a time axis, named by their first day; None for a cohort.

    Those that hold the first and the last day of the data are whole ones.
    """
    if spec.time is None:
        return None
    period, last = spec.time.partitions, spec.time.end_date and spec.time.end_date - timedelta(days=1)
    start = datetime.combine(first_day_of(spec.time.start_date, period), time(), UTC)
    end = None if last is None else datetime.combine(day_after(last, period), time(), UTC)
    if period == "week":
        return dg.WeeklyPartitionsDefinition(
            start_date=start, end_date=end, timezone="UTC", day_offset=_MONDAY
        )
    if period == "month":
        return dg.MonthlyPartitionsDefinition(start_date=start, end_date=end, timezone="UTC")
    return dg.DailyPartitionsDefinition(start_date=start, end_date=end, timezone="UTC")


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
    partitions = partitions_of(spec) if is_partitioned else None
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
    """Depend on another asset of the product; on its partitions that `lookback` before the first day touches, too."""
    key = dg.AssetKey([product.name, noun])
    if product.spec.time is None or lookback <= timedelta(0):
        return dg.AssetDep(key)
    partitions = -(-lookback // timedelta(days=_SHORTEST_DAYS[product.spec.time.partitions]))
    mapping = dg.TimeWindowPartitionMapping(
        start_offset=-partitions, allow_nonexistent_upstream_partitions=True
    )
    return dg.AssetDep(key, partition_mapping=mapping)


def window_lookback(product: Product) -> timedelta:
    """Return how far a monitoring window reaches back before the partition that it ends with."""
    time_axis, days = product.spec.time, product.spec.monitoring.window_days
    return timedelta(days=max(0, days - (_SHORTEST_DAYS[time_axis.partitions] if time_axis else 1)))
