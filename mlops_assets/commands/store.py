"""`mlops store restore`: a sound online store in the place of a damaged one, with its records and states."""

import socket
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass

import dagster as dg
from rich.console import Console

from mlops_assets.automation.run_tags import HOST
from mlops_assets.catalogue import load_product
from mlops_assets.core.errors import ConfigurationError, PlatformError, ServingError
from mlops_assets.core.online_store.load import is_loaded
from mlops_assets.core.online_store.opening import open_online_store, store_file
from mlops_assets.core.online_store.restore import restore_store
from mlops_assets.core.product import Product
from mlops_assets.core.serving.prediction_record import decode_record, prediction_id
from mlops_assets.core.settings import Settings
from mlops_assets.embedded.dagster_home import dagster_instance


@dataclass(frozen=True)
class StoreRestoration:
    """What `mlops store restore` found and did."""

    product: str
    file: str
    damage: str | None
    """None when the store was sound."""
    records: int | None
    """Captured records that wait for their collection in the new store; None when it was not made anew."""
    is_complete: bool
    """Whether every record of the damaged file could be read."""
    kept: str | None
    """Where the damaged file lies."""
    states: int
    """Entities that the store has a state of."""
    is_loaded: bool
    """Whether the states were rebuilt now."""

    def to_json(self) -> Mapping[str, object]:
        """Return it as plain JSON values."""
        return asdict(self)


def restore(settings: Settings, product: str, *, loads: bool, console: Console) -> StoreRestoration:
    """Restore the product's embedded store if it is damaged, and rebuild its states where it lacks them.

    loads: False leaves the states to the asset `online_features`.

    Raises: ConfigurationError for a store that is no file; OnlineStoreError; PlatformError when the states cannot be
    rebuilt, after which running it again goes on with them.
    """
    file = store_file(settings.online_store, product)
    if file is None:
        raise ConfigurationError(
            "only the embedded store is restored here; a Redis comes back from its own files or replica: then "
            f"materialize {product}/online_features"
        )
    if not file.exists():
        raise ConfigurationError(f"{file} does not exist: there is nothing to restore")
    with console.status(f"looking for damage in {file}"):
        done = restore_store(file, is_record=is_record)
    declared = load_product(product)
    must_load = loads and _lacks_states(settings, declared)
    if must_load:
        with console.status("rebuilding the states from the lakehouse and the served requests"):
            _load(settings, product)
    return StoreRestoration(
        product=product,
        file=str(file),
        damage=done.damage if done else None,
        records=done.records if done else None,
        is_complete=done.is_complete if done else True,
        kept=str(done.kept) if done else None,
        states=_states(settings, product),
        is_loaded=must_load,
    )


def print_restoration(done: StoreRestoration, *, console: Console) -> None:
    """Print it for people."""
    if done.damage is None:
        console.print(f"{done.file} is sound; nobody refuses it", soft_wrap=True, markup=False)
    else:
        console.print(f"{done.file} was damaged: {done.damage}", soft_wrap=True, markup=False)
        whole = "all that it had" if done.is_complete else "those that can be read"
        console.print(f"{done.records:,} captured records are in the new store, {whole}")
        console.print(f"the damaged file is kept at {done.kept}, with its log", soft_wrap=True, markup=False)
    if done.is_loaded:
        console.print(f"{done.states:,} states were rebuilt; services go on by themselves")
    elif done.damage is not None:
        console.print(
            f"it has no states: materialize {done.product}/online_features, until then services refuse"
        )


def is_record(content: bytes) -> bool:
    """Whether bytes are a whole captured prediction: its id must be that of its request."""
    try:
        record = decode_record(content)
    except ServingError:
        return False
    own = prediction_id(record.event_id, record.request, version=record.version)
    return own.startswith(record.prediction_id)


def _lacks_states(settings: Settings, product: Product) -> bool:
    if product.spec.time is None:
        return False
    with closing(open_online_store(settings.online_store, product.name)) as store:
        return not is_loaded(store, product.view)


def _states(settings: Settings, product: str) -> int:
    with closing(open_online_store(settings.online_store, product)) as store:
        return sum("@" in key for key, _ in store.states())


def _load(settings: Settings, product: str) -> None:
    from mlops_assets.definitions import defs

    asset = dg.AssetKey([product, "online_features"])
    result = (
        defs()
        .resolve_implicit_global_asset_job_def()
        .execute_in_process(
            instance=dagster_instance(settings),
            asset_selection=[asset],
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            tags={HOST: socket.gethostname()},
            raise_on_error=False,
        )
    )
    if result.success:
        return
    failures = [event.step_failure_data.error for event in result.all_events if event.is_step_failure]
    told = "; ".join(str((error.cause or error).message).strip() for error in failures if error is not None)
    raise PlatformError(
        f"the records are restored, and the states could not be rebuilt: {told or 'see the run in the web UI'}; run "
        f"this again, or materialize {product}/online_features"
    )
