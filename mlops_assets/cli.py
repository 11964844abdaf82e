"""The command line `mlops`: what a person does that is no asset. The work is in `commands`."""

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mlops_assets.cli_groups import alerts, keys, metrics, store
from mlops_assets.cli_parts import Json, Product, Products, console, settings_of_home
from mlops_assets.core.errors import PlatformError
from mlops_assets.core.files import keep_to_owner
from mlops_assets.core.free_text import harmless
from mlops_assets.core.runtime.threads import let_waiting_threads_sleep

if TYPE_CHECKING:
    from mlops_assets.core.release.decision import DecisionKind
    from mlops_assets.core.release.plan import Order
    from mlops_assets.core.release.steps import Strategy

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Models in production as one lineage graph. Everything is stored below MLOPS_HOME; `mlops doctor` says where.",
)
app.add_typer(store, name="store")
app.add_typer(keys, name="keys")
app.add_typer(alerts, name="alerts")
app.add_typer(metrics, name="metrics")
Version = Annotated[int, typer.Argument(help="Number of the version in the registry.", show_default=False)]
By = Annotated[str, typer.Option("--by", help="Who decides: a person's name or address.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; shown forever with the version.")]
Mode = Literal["blue-green", "canary", "shadow"]
_STRATEGIES: dict[Mode, "Strategy"] = {"blue-green": "blue_green", "canary": "canary", "shadow": "shadow"}


def main() -> None:
    """Run the command line; an error of the platform ends it with its message and exit code 1."""
    keep_to_owner()
    try:
        app()
    except PlatformError as error:
        from mlops_assets.commands.plain_text import plain

        told = f"[red]{type(error).__name__}[/]: {plain(str(error))}"
        console(stderr=True).print(told, highlight=False, soft_wrap=True)
        sys.exit(1)


@app.command()
def demo(products: Products = None, as_json: Json = False) -> None:
    """Materialize the products end to end, then show what stands; safe to run again, and then quick."""
    from mlops_assets.catalogue import chosen_products
    from mlops_assets.commands.demo import run_demo
    from mlops_assets.commands.product_status import product_status
    from mlops_assets.commands.status_table import print_status

    names = chosen_products(products)
    settings = settings_of_home()
    told = console(stderr=as_json)
    seconds = run_demo(settings, console=told, products=names)
    statuses = [product_status(settings, name, now=datetime.now(UTC)) for name in names]
    if as_json:
        print(json.dumps({"seconds": seconds, "products": [status.to_json() for status in statuses]}))
        return
    print_status(statuses, console=told)
    told.print(f"done in {seconds:.0f} s; open the web UI with: [bold]make dev[/]")


@app.command()
def status(products: Products = None, as_json: Json = False) -> None:
    """Show per product: data, champion, last verdicts, freshness; and the alerts that are open or wait."""
    from mlops_assets.catalogue import broken_products, chosen_products
    from mlops_assets.commands.alerts.command import alert_standing
    from mlops_assets.commands.product_status import product_status
    from mlops_assets.commands.status_table import print_alerts, print_status

    names = chosen_products(products)
    settings, now = settings_of_home(), datetime.now(UTC)
    broken = broken_products(names)
    statuses = [product_status(settings, name, now=now) for name in names if name not in broken]
    standing = alert_standing(settings)
    if as_json:
        shown = {"products": [entry.to_json() for entry in statuses], "broken": broken}
        print(json.dumps(shown | {"alerts": standing.to_json(now=now)}))
    else:
        print_status(statuses, console=console())
        print_alerts(standing, now=now, console=console())
        for name, problem in broken.items():
            console(stderr=True).print(f"{name} cannot be loaded:\n{problem}", style="red", markup=False)
    if broken:
        raise typer.Exit(1)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Check the installation, the configuration and every connection, and say what to do; exit code 1 if one failed."""
    from mlops_assets.commands.doctor.command import doctor_json, has_failed, print_checks, run_doctor

    let_waiting_threads_sleep()
    checks = run_doctor(dict(os.environ), working_directory=Path.cwd(), console=console(stderr=True))
    if as_json:
        print(json.dumps(doctor_json(checks)))
    else:
        print_checks(checks, console=console())
    if has_failed(checks):
        raise typer.Exit(1)


@app.command()
def gc(
    products: Products = None,
    apply: Annotated[bool, typer.Option("--apply", help="Delete; without it nothing is changed.")] = False,
    as_json: Json = False,
) -> None:
    """Show what may go of tables, reports, bentos, runs and online states; delete it with --apply.

    The policy is the section `retention` of a product's defs.yaml. What a registered version, a candidate or the
    release plan points to is always kept.
    """
    from rich.progress import track

    from mlops_assets.catalogue import chosen_products
    from mlops_assets.commands.gc import plan_gc
    from mlops_assets.commands.gc_table import print_removals

    names = chosen_products(products)
    settings, now = settings_of_home(), datetime.now(UTC)
    with console(stderr=True).status("looking for what may go"):
        removals = plan_gc(settings, names, now=now)
    if apply:
        for removal in track(removals, "deleting", console=console(stderr=True), transient=True):
            removal.delete()
    if as_json:
        print(json.dumps({"applied": apply, "removals": [removal.to_json() for removal in removals]}))
    else:
        print_removals(removals, is_applied=apply, settings=settings, console=console())


@app.command()
def dev(
    dagster_port: Annotated[int, typer.Option(help="Port of Dagster's web UI.")] = 3000,
    mlflow_port: Annotated[int, typer.Option(help="Port of MLflow's UI.")] = 5000,
    reports_port: Annotated[int, typer.Option(help="Port of the HTML reports.")] = 3002,
) -> None:
    """Start Dagster's web UI with its daemon, MLflow's UI and the HTML reports on loopback; Ctrl-C stops all."""
    from mlops_assets.commands.dev import run_dev

    run_dev(
        settings_of_home(),
        dagster_port=dagster_port,
        mlflow_port=mlflow_port,
        reports_port=reports_port,
        console=console(),
    )


@app.command()
def judge(
    product: Product,
    as_json: Json = False,
    plot: Annotated[
        Path | None,
        typer.Option(help="PNG file for a picture of how the evidence has grown.", dir_okay=False),
    ] = None,
) -> None:
    """Judge the canary that stands: advance, hold or roll back, and why; without one, show the last judgement."""
    from mlops_assets.catalogue import chosen_products
    from mlops_assets.commands.judge import judge_product, print_judged, write_plot

    (name,) = chosen_products([product])
    judged = judge_product(settings_of_home(), name, now=datetime.now(UTC))
    if plot is not None:
        write_plot(judged, plot)
    if as_json:
        print(json.dumps(judged.to_json()))
    else:
        print_judged(judged, console=console())


@app.command()
def serve(
    product: Product,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 3001,
    workers: Annotated[int, typer.Option(min=1, help="Worker processes; one per core is enough.")] = 1,
) -> None:
    """Serve the released bento of a product on loopback; it follows the release plan. Ctrl-C stops it."""
    from mlops_assets.catalogue import chosen_products
    from mlops_assets.commands.serve import run_serve

    (name,) = chosen_products([product])
    run_serve(settings_of_home(), name, port=port, workers=workers, console=console())


@app.command()
def drill(
    names: Annotated[
        list[str] | None, typer.Argument(help="Drills; none means all.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Break a served bento on purpose, under a bounded load, and show what happens; exit code 1 unless all went well.

    Everything runs in a folder of its own on loopback: nothing of MLOPS_HOME is read or changed. All drills together
    take some minutes.
    """
    from mlops_assets.commands.drill.command import chosen_drills, drills_json, print_drills, run_drills

    chosen = chosen_drills(names)
    let_waiting_threads_sleep()
    outcomes = run_drills(chosen, console=console(stderr=True))
    if as_json:
        print(json.dumps(drills_json(outcomes)))
    else:
        print_drills(outcomes, console=console())
    if not all(outcome.passed for outcome in outcomes):
        raise typer.Exit(1)


@app.command()
def approve(product: Product, version: Version, by: By, reason: Reason) -> None:
    """Approve a version on its verdicts as they are; then materialize the product's `release` asset."""
    _decide("approved", product, version, by=by, reason=reason)


@app.command()
def reject(product: Product, version: Version, by: By, reason: Reason) -> None:
    """Reject a version: it is not released, whatever its verdicts, until a later decision."""
    _decide("rejected", product, version, by=by, reason=reason)


@app.command()
def override(product: Product, version: Version, by: By, reason: Reason) -> None:
    """Let a version pass in spite of gates that did not; who and why are shown forever."""
    _decide("overridden", product, version, by=by, reason=reason)


@app.command()
def release(
    product: Product,
    version: Annotated[
        int | None, typer.Argument(help="Number of the version; none means the newest.", show_default=False)
    ] = None,
    *,
    by: By,
    reason: Reason,
    mode: Annotated[Mode | None, typer.Option(help="How; by default as the product declares.")] = None,
    percent: Annotated[
        int | None,
        typer.Option(help="Share of the entities that a canary answers; default: the ramp's first."),
    ] = None,
    ramp: Annotated[
        str | None, typer.Option(help="Percentages of a canary, such as 1,5,25,50,100; default: as declared.")
    ] = None,
    advance: Annotated[
        bool, typer.Option("--advance", help="Take the next step of the trial that runs instead.")
    ] = False,
) -> None:
    """Let a version that is ready answer everybody, try it as a canary or shadow, or advance its trial.

    Ready means: gates passed or overridden, approved where the product asks for it, not rejected, and its bento
    answered right. Services follow within seconds; `mlops plan` shows whether those of this host do.
    """
    from mlops_assets.catalogue import chosen_products
    from mlops_assets.commands.release import TrialOptions, describe_plan, run_advance, run_release

    (name,) = chosen_products([product])
    settings, order = settings_of_home(), _order(by, reason)
    if advance and (version, mode, percent, ramp) != (None, None, None, None):
        raise typer.BadParameter(
            "--advance takes the step of the ramp: give neither version, mode, share nor ramp"
        )
    if advance:
        plan = run_advance(settings, name, order=order)
    else:
        options = TrialOptions(_STRATEGIES[mode] if mode else None, percent, ramp)
        plan = run_release(settings, name, version=version, options=options, order=order)
    print(describe_plan(name, plan))


@app.command()
def rollback(
    product: Product,
    by: By,
    reason: Reason,
    to: Annotated[
        int | None,
        typer.Option("--to", help="Version to return to; default: one step back.", show_default=False),
    ] = None,
) -> None:
    """Return to the champion before, or end the trial that runs; what leaves the plan is rejected."""
    from mlops_assets.catalogue import chosen_products
    from mlops_assets.commands.release import describe_plan, run_rollback

    (name,) = chosen_products([product])
    done = run_rollback(settings_of_home(), name, to_version=to, order=_order(by, reason))
    print(describe_plan(name, done.plan))
    for version in done.rejected:
        print(f"{name} version {version}: rejected, so that it is not released again")
    for words in done.warnings:
        print(f"warning: {harmless(words)}", file=sys.stderr)


@app.command()
def plan(product: Product, as_json: Json = False) -> None:
    """Show the release plan that stands, whether this host's services follow it, and all plans before."""
    from mlops_assets.catalogue import chosen_products
    from mlops_assets.commands.release_history import print_history, release_history

    (name,) = chosen_products([product])
    history = release_history(settings_of_home(), name)
    if as_json:
        print(json.dumps(history.to_json()))
    else:
        print_history(history, console=console())


def _order(by: str, reason: str) -> "Order":
    from mlops_assets.core.release.plan import Order

    return Order.of_person(since=datetime.now(UTC), by=by, reason=reason)


def _decide(kind: "DecisionKind", product: str, version: int, *, by: str, reason: str) -> None:
    from mlops_assets.catalogue import chosen_products
    from mlops_assets.commands.release import run_decision

    (name,) = chosen_products([product])
    decision = run_decision(settings_of_home(), name, version, kind, order=_order(by, reason))
    print(f"{product} version {version}: {decision.kind} by {decision.by} ({decision.reason})")


if __name__ == "__main__":
    main()
