"""The groups `mlops store` and `mlops keys` of the command line."""

import json
from datetime import UTC, datetime
from typing import Annotated

import typer

from mlops_assets.cli_parts import Json, Product, console, settings_of_home

store = typer.Typer(no_args_is_help=True, help="The embedded online store.")
keys = typer.Typer(no_args_is_help=True, help="API keys of services, in the file that MLOPS_API_KEYS names.")
KeyName = Annotated[str, typer.Argument(help="Whose key it is: the client that uses it.", show_default=False)]


@store.command("restore")
def store_restore(
    product: Product,
    load: Annotated[
        bool, typer.Option(help="Rebuild the states; without, materialize `online_features` afterwards.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Put a sound store in the place of a damaged one; a store that is sound is left alone.

    Every captured record that can be read is taken over, once, and the states are rebuilt from the lakehouse and the
    requests that were served. The damaged file stays beside it under another name. Services may run: they refuse
    meanwhile, and go on by themselves. Safe to run again, also after it was killed.
    """
    from mlops_assets.catalogue import chosen_products
    from mlops_assets.commands.store import print_restoration, restore

    (name,) = chosen_products([product])
    done = restore(settings_of_home(), name, loads=load, console=console(stderr=True))
    if as_json:
        print(json.dumps(done.to_json()))
    else:
        print_restoration(done, console=console())


@keys.command("create")
def create_key(name: KeyName, as_json: Json = False) -> None:
    """Make a key and print it, once: only what recognizes it is stored. Services take it within a second."""
    from mlops_assets.commands.keys import create_key

    key = create_key(settings_of_home(), name, now=datetime.now(UTC))
    print(json.dumps({"name": name, "key": key}) if as_json else key)


@keys.command("list")
def list_keys(as_json: Json = False) -> None:
    """Show whose keys there are, since when, and which are revoked."""
    from mlops_assets.commands.keys import list_keys, print_keys

    rows = list_keys(settings_of_home())
    if as_json:
        print(json.dumps({"keys": rows}))
    else:
        print_keys(rows, console=console())


@keys.command("revoke")
def revoke_key(name: KeyName) -> None:
    """Revoke a key; services refuse it within a second. Its name is free again."""
    from mlops_assets.commands.keys import revoke_key

    revoke_key(settings_of_home(), name, now=datetime.now(UTC))
    print(f"{name} is revoked")
