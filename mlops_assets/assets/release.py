"""The release stage: the registered version with its verdicts, its bento, and the release plan."""

import json
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import polars as pl

from mlops_assets.assets.bento import bento_asset
from mlops_assets.assets.support.asset_options import product_asset, upstream
from mlops_assets.assets.support.pictures import table
from mlops_assets.assets.support.recorded_reads import RecordedReads, declared_digest
from mlops_assets.assets.support.table_writes import TableWrites, significant
from mlops_assets.core.errors import RegistryError
from mlops_assets.core.evaluation.product_contenders import own_metrics
from mlops_assets.core.identity.identity import Identity
from mlops_assets.core.lakehouse.day_range import days_of
from mlops_assets.core.product import Product
from mlops_assets.core.product_spec import Gate
from mlops_assets.core.registry.candidate import Candidate, candidates_version, read_candidate
from mlops_assets.core.registry.registry import ModelRegistry
from mlops_assets.core.registry.tag_names import (
    AS_OF_TAG,
    EVALUATION_TAG,
    GOLDEN_TAG,
    INPUTS_TAG,
    LIBRARIES_TAG,
    MADE_FROM_TAG,
    TEST_METRICS_TAG,
    THRESHOLD_TAG,
    TRAINING_SET_TAG,
    VIEW_TAG,
)
from mlops_assets.core.registry.version import ModelVersion, RecordedVerdict
from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.core.release.history import write_history
from mlops_assets.core.release.notes import REFUSED, Note, note
from mlops_assets.core.release.plan import Order, plan_row
from mlops_assets.core.release.steps import obstacles, put_into_plan
from mlops_assets.resources.lakehouse import LakehouseResource
from mlops_assets.resources.release_page import CHECK, release_page
from mlops_assets.resources.releases import release_control
from mlops_assets.resources.tracking import TrackingResource

SEVERITY = {"fail": dg.AssetCheckSeverity.ERROR, "inconclusive": dg.AssetCheckSeverity.WARN}


def release_assets(product: Product) -> list[dg.AssetsDefinition]:
    """Build the release stage of one product."""
    return [_model_version(product), bento_asset(product), _release(product)]


def _model_version(product: Product) -> dg.AssetsDefinition:
    key = dg.AssetKey([product.name, "model_version"])

    @product_asset(
        product,
        "model_version",
        stage="release",
        kinds={"mlflow"},
        deps=[upstream(product, "evaluation"), upstream(product, "model")],
        check_specs=[
            dg.AssetCheckSpec(f"gate_{gate.name}", asset=key, description=_gate_text(gate))
            for gate in product.spec.gates
        ],
    )
    def model_version(
        context: dg.AssetExecutionContext, lakehouse: LakehouseResource, tracking: TrackingResource
    ) -> dg.MaterializeResult:
        """One thing is a version in the model registry, with the verdict of every gate.

        Made from `evaluation`; registering the same model again keeps its version. Gates are checks: pass, fail or
        inconclusive. Used by `bento`.
        """
        candidate = read_candidate(lakehouse.tables, product.name)
        verdicts = _current_verdicts(lakehouse, product, candidate)
        registry = ModelRegistry(tracking.tracking_uri)
        facts = _facts_of(registry, product, candidate, threshold=float(verdicts["threshold"][0]))
        judged_on = {
            TRAINING_SET_TAG: str(candidate.training_set_version),
            EVALUATION_TAG: str(lakehouse.tables.version(product.name, "evaluation")),
            TEST_METRICS_TAG: json.dumps(own_metrics(lakehouse.tables.read(product.name, "evaluation"))),
        }
        version = registry.register(
            product.name,
            candidate.model_uri,
            candidate.run_id,
            digest=candidate.digest,
            tags={**facts, **judged_on},
        )
        registry.set_version_tags(product.name, version, judged_on)
        told = [RecordedVerdict(*row) for row in verdicts.select("name", "verdict", "reason").iter_rows()]
        registry.write_verdicts(product.name, version, told)
        return dg.MaterializeResult(
            metadata={
                "version": version,
                "model_digest": candidate.digest,
                "made_from": registry.version(product.name, version).tags.get(MADE_FROM_TAG, ""),
                "mlflow_run": dg.MetadataValue.url(tracking.run_url(candidate.run_id)),
                "verdicts": table(verdicts.select("name", "verdict", "reason")),
            },
            data_version=dg.DataVersion(registry.version(product.name, version).evidence),
            check_results=_gate_checks(
                verdicts, whose=f"version {version}, {_test_rows(lakehouse, product, candidate)}"
            ),
        )

    return model_version


def _current_verdicts(lakehouse: LakehouseResource, product: Product, candidate: Candidate) -> pl.DataFrame:
    """Return the gates' verdicts.

    Raises: RegistryError when they are those of another model, or were made by other limits than are declared now.
    """
    verdicts = lakehouse.tables.read(product.name, "gate_verdicts")
    if verdicts["model_digest"][0] != candidate.digest:
        raise RegistryError(
            f"{product.name}: the verdicts are those of model {verdicts['model_digest'][0][:12]}, but the "
            f"candidate is {candidate.digest[:12]}: materialize {product.name}/evaluation first"
        )
    if outdated := _outdated_judgement(lakehouse, product):
        raise RegistryError(f"{product.name}: {outdated}")
    return verdicts


def _outdated_judgement(lakehouse: LakehouseResource, product: Product) -> str | None:
    """Say that the stored verdicts were judged by other limits than are declared now; None when they were not."""
    stored = Identity.read_json(lakehouse.tables.last_commit_info(product.name, "gate_verdicts").inputs)
    now = {name: declared_digest(getattr(product.spec, name)) for name in ("gates", "evaluation")}
    other = [name for name, digest in now.items() if stored is None or stored.declared.get(name) != digest]
    if not other:
        return None
    return (
        f"since the verdicts were made, {' and '.join(other)} of defs.yaml changed: materialize "
        f"{product.name}/evaluation and {product.name}/model_version first"
    )


def _facts_of(
    registry: ModelRegistry, product: Product, candidate: Candidate, *, threshold: float
) -> dict[str, str]:
    """The facts of the version that the candidate is under this decision threshold; see `VERSION_FACTS`.

    A run of before views were stored has the declared one. What the run was made from is no fact that tells versions
    apart: other code may make the same model.
    """
    run = registry.run_tags(candidate.run_id)
    libraries = {LIBRARIES_TAG: run[LIBRARIES_TAG]} if LIBRARIES_TAG in run else {}
    as_of = {AS_OF_TAG: candidate.as_of.isoformat()} if candidate.as_of else {}
    view = run.get(VIEW_TAG, product.view.digest)
    made_from = {MADE_FROM_TAG: run[INPUTS_TAG]} if INPUTS_TAG in run else {}
    golden = {GOLDEN_TAG: run[GOLDEN_TAG]} if GOLDEN_TAG in run else {}
    return {THRESHOLD_TAG: repr(threshold), VIEW_TAG: view, **libraries, **as_of, **made_from, **golden}


def _gate_text(gate: Gate) -> str:
    if gate.against != "absolute":
        return f"{gate.metric}: at most {gate.margin:g} worse than {gate.against}, whole interval"
    limits = [
        f"at least {gate.minimum:g}" if gate.minimum is not None else "",
        f"at most {gate.maximum:g}" if gate.maximum is not None else "",
    ]
    return f"{gate.metric}: {' and '.join(filter(None, limits))}, whole interval"


def _test_rows(lakehouse: LakehouseResource, product: Product, candidate: Candidate) -> str:
    """Which rows the gates judged, for people."""
    time = product.view.event_timestamp
    columns = ["split"] if time is None else ["split", time]
    rows = lakehouse.tables.scan(product.name, "training_set", version=candidate.training_set_version)
    days = days_of(rows.select(columns).filter(pl.col("split") == "test").collect(), time)
    return "test rows" if days is None else f"test rows of {days.words}"


def _gate_checks(verdicts: pl.DataFrame, *, whose: str) -> list[dg.AssetCheckResult]:
    """One check per gate; `whose` says which version was judged, on which rows."""
    return [
        dg.AssetCheckResult(
            check_name=f"gate_{row['name']}",
            passed=row["verdict"] == "pass",
            severity=SEVERITY.get(str(row["verdict"]), dg.AssetCheckSeverity.ERROR),
            description=f"{whose}: {row['verdict']}: {row['reason']}",
            metadata={**_numbers(row), "verdict": str(row["verdict"])},
        )
        for row in verdicts.iter_rows(named=True)
    ]


def _numbers(row: dict[str, Any]) -> dict[str, Any]:
    """What the verdict rests on, to the digits that a person reads; the table `gate_verdicts` has all of them."""
    named = ("value", "low", "high", "limit")
    found = {name: significant(row[name]) for name in named if row[name] is not None}
    return found if row["rows"] is None else {**found, "rows": row["rows"]}


def _release(product: Product) -> dg.AssetsDefinition:
    key = dg.AssetKey([product.name, "release"])

    @product_asset(
        product,
        "release",
        stage="release",
        kinds={"mlflow", "deltalake"},
        deps=[upstream(product, "bento")],
        check_specs=[
            dg.AssetCheckSpec(
                CHECK,
                asset=key,
                description="The newest version has its part in the plan, by the verdicts that stand now.",
            )
        ],
    )
    def release(
        context: dg.AssetExecutionContext, lakehouse: LakehouseResource, tracking: TrackingResource
    ) -> dg.MaterializeResult:
        """One row is a release plan that stood for a time: which version answered whom, since when and why.

        Made from `bento` and the verdicts of `model_version`: only a version whose gates passed (or were overridden by
        a named person), that was approved where the policy asks for it, and whose bento answered right is released.
        Made from the table `decisions`, in which people, jobs and this asset write what they decide. Used by
        `predictions` and by serving.
        """
        newest = candidates_version(ModelRegistry(tracking.tracking_uri), lakehouse.tables, product.name)
        control = release_control(lakehouse, tracking)
        control.take_over(product.name)
        reasons = _obstacles(control, lakehouse, product, newest)
        if not reasons:
            _apply_strategy(control, product, newest, context=context)
        else:
            refused = Note(REFUSED, newest.version, {"verdicts": newest.evidence})
            note(control, product.name, refused, order=_order(context, reason="; ".join(reasons)))
        for refused in control.repair(product.name):
            context.log.warning(refused)
        record = control.record(product.name)
        reads = RecordedReads(context, lakehouse.tables, product, noun="release")
        reads.value("the plans of the record", [plan_row(product.name, plan) for plan in record.plans])
        writes = TableWrites(context, lakehouse, product, "release", inputs=reads.identity().to_json())
        write_history(lakehouse.tables, product.name, record.plans, commit=writes.commit_info)
        page = release_page(record, newest=newest, reasons=reasons)
        return dg.MaterializeResult(
            metadata=page.metadata,
            data_version=dg.DataVersion(page.data_version),
            check_results=[
                dg.AssetCheckResult(
                    check_name=CHECK,
                    passed=page.passed,
                    severity=dg.AssetCheckSeverity.WARN,
                    description=page.description,
                )
            ],
        )

    return release


def _obstacles(
    control: ReleaseControl, lakehouse: LakehouseResource, product: Product, version: ModelVersion
) -> list[str]:
    """Say what stands between a version and its release; nothing where it may be released."""
    decisions = control.record(product.name).decisions(version.version)
    outdated = _outdated_judgement(lakehouse, product)
    found = obstacles(version, decisions, approval=product.spec.release.approval)
    return [*found, *([outdated] if outdated else [])]


def _order(context: dg.AssetExecutionContext, *, reason: str = "") -> Order:
    return Order(since=datetime.now(UTC), by=f"dagster run {context.run.run_id}", reason=reason)


def _apply_strategy(
    control: ReleaseControl, product: Product, version: ModelVersion, *, context: dg.AssetExecutionContext
) -> None:
    """Give a new version the part that the product's strategy has for it; a part that it has already stays."""
    standing = control.standing(product.name)
    if standing is not None and version.version in {arm.version for arm in standing.arms}:
        return
    policy = product.spec.release
    order = _order(context)
    mode = policy.strategy if standing is not None else "blue_green"
    plan = put_into_plan(control, version, mode=mode, order=order, approval=policy.approval, ramp=policy.ramp)
    context.log.info(f"release plan {plan.sequence}: {plan.mode}, {plan.arms}")
