"""Doctor: the release record of each product, and whether MLflow shows what it says."""

from collections.abc import Iterator

from mlops_assets.commands.doctor.check import Check, Checkup
from mlops_assets.core.lakehouse.location import table_uri
from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.core.release.record import TABLE
from mlops_assets.core.settings import Settings

AREA = "releases"


def release_checkups(settings: Settings, products: tuple[str, ...]) -> Iterator[Checkup]:
    """One checkup per product; what MLflow shows late is put right on the way."""
    for name in products:
        where = table_uri(settings.tables_uri, name, TABLE)
        yield Checkup(
            AREA,
            name,
            lambda name=name: release_checks(settings, name),
            f"look at {where} and at MLFLOW_TRACKING_URI; `mlops plan {name}` shows what stands",
        )


def release_checks(settings: Settings, product: str) -> Iterator[Check]:
    """Read the record, and bring MLflow up to it."""
    control = ReleaseControl.of(settings)
    record = control.record(product)
    plan = record.standing
    told = f"{len(record.entries)} decisions and plans"
    stands = (
        f"plan {plan.sequence}: version {plan.champion.version} is the champion" if plan else "none stands"
    )
    yield Check(AREA, product, "ok", f"{told}; {stands}")
    for problem in control.repair(product):
        action = (
            f"what was moved is put back already; else release another version: `mlops release {product}`"
        )
        yield Check(AREA, product, "warning", f"MLflow: {problem}", action)
