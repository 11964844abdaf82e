"""The groups `mlops store`, `mlops keys`, `mlops alerts` and `mlops metrics` of the command line."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from mlops_assets.cli_parts import Json, Product, console, settings_of_home

store = typer.Typer(no_args_is_help=True, help="The embedded online store.")
keys = typer.Typer(no_args_is_help=True, help="API keys of services, in the file that MLOPS_API_KEYS names.")
alerts = typer.Typer(
    no_args_is_help=True, help="Alerts: what is open, what waits, and the sinks that they go to."
)
metrics = typer.Typer(
    no_args_is_help=True, help="Numbers of the platform for Prometheus, and Prometheus on this machine."
)
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


@alerts.command("list")
def list_alerts(as_json: Json = False) -> None:
    """Show the alerts that are open, the messages that wait for a sink, and what keeps people from being told."""
    from mlops_assets.commands.alerts.command import alert_standing, print_standing

    standing, now = alert_standing(settings_of_home()), datetime.now(UTC)
    if as_json:
        print(json.dumps(standing.to_json(now=now)))
    else:
        print_standing(standing, now=now, console=console())


@alerts.command("test")
def test_alert(
    sink: Annotated[str, typer.Argument(help="Name of the sink.", show_default=False)], as_json: Json = False
) -> None:
    """Send a marked test to a sink, and say what became of it; exit code 1 when it was not taken."""
    from mlops_assets.commands.alerts.command import try_sink

    outcome = try_sink(settings_of_home(), os.environ, sink, now=datetime.now(UTC))
    if as_json:
        print(json.dumps({"sink": sink, "state": outcome.state, "remark": outcome.remark}))
    else:
        print(f"{sink}: {outcome.state}" + (f" ({outcome.remark})" if outcome.remark else ""))
    if outcome.state != "delivered":
        raise typer.Exit(1)


@alerts.command("send")
def send_alerts(as_json: Json = False) -> None:
    """Deliver now what waits, without waiting for the next attempt; exit code 1 when something was not taken."""
    from mlops_assets.commands.alerts.command import attempts_json, send_alerts

    rows = attempts_json(send_alerts(settings_of_home(), os.environ, clock=lambda: datetime.now(UTC)))
    if as_json:
        print(json.dumps({"attempts": rows}))
    else:
        for row in rows:
            print(f"{row['sink']}: {row['state']} {row['message_id']} {row['remark']}".rstrip())
        print(f"{sum(row['state'] == 'delivered' for row in rows)} of {len(rows)} delivered")
    if any(row["state"] != "delivered" for row in rows):
        raise typer.Exit(1)


@alerts.command("close")
def close_alert(
    alert_id: Annotated[str, typer.Argument(help="The alert, as `list` shows it.", show_default=False)],
    by: Annotated[str, typer.Option("--by", help="Who decides: a person's name or address.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; told to the sinks.")],
) -> None:
    """End an alert that nothing else will end, such as that of a run that nobody repeats."""
    from mlops_assets.commands.alerts.command import close_alert

    told = close_alert(settings_of_home(), os.environ, alert_id, by=by, reason=reason, now=datetime.now(UTC))
    print(told.title)


@metrics.command("show")
def show_metrics(
    output: Annotated[
        Path | None,
        typer.Option(
            help="File for node_exporter's textfile collector; by default they are printed.", dir_okay=False
        ),
    ] = None,
) -> None:
    """Look at everything once, and print the numbers in Prometheus' text format; nothing is changed."""
    from mlops_assets.commands.metrics.command import metrics_text, write_metrics

    settings = settings_of_home()
    if output is None:
        print(metrics_text(settings, clock=lambda: datetime.now(UTC)), end="")
    else:
        write_metrics(settings, output, clock=lambda: datetime.now(UTC))


@metrics.command("serve")
def serve_metrics(
    port: Annotated[int, typer.Option(help="Port of the exporter.")] = 3003,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Serve the numbers of the platform, for Prometheus to scrape; on loopback by default. Ctrl-C stops it."""
    from mlops_assets.commands.metrics.home_parts import home_parts
    from mlops_assets.commands.metrics.server import serve_metrics

    settings = settings_of_home()
    parts = home_parts(settings, clock=lambda: datetime.now(UTC))
    serve_metrics(parts, host=host, port=port, more_hosts=settings.dev_hosts, console=console())


@metrics.command("prometheus")
def run_prometheus(
    port: Annotated[int, typer.Option(help="Port of Prometheus.")] = 9090,
    alertmanager_port: Annotated[int, typer.Option(help="Port of Alertmanager.")] = 9093,
    exporter_port: Annotated[int, typer.Option(help="Port of the exporter.")] = 3003,
    service: Annotated[
        list[str] | None,
        typer.Option(help="Address of a service to scrape; again for more. Default: 127.0.0.1:3001."),
    ] = None,
    configuration: Annotated[
        Path | None,
        typer.Option(help="Folder of prometheus.yml; default: deploy/prometheus of the checkout."),
    ] = None,
) -> None:
    """Start the exporter, Prometheus and Alertmanager on loopback; they have to be installed. Ctrl-C stops all."""
    from mlops_assets.commands.metrics.prometheus import MonitorPorts, run_monitor

    run_monitor(
        settings_of_home(),
        ports=MonitorPorts(prometheus=port, alertmanager=alertmanager_port, exporter=exporter_port),
        services=service or ["127.0.0.1:3001"],
        configuration=configuration,
        console=console(),
    )
