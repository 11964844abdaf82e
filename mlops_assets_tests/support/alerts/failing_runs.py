"""Runs that fail, and runs with failed checks, of assets as products have them."""

import dagster as dg

EVENTS = dg.AssetKey(["fraud_detection", "events"])
DAYS = dg.StaticPartitionsDefinition(["2026-05-01", "2026-05-02"])
PRODUCT_TAGS = {"mlops/product": "fraud_detection"}


class Switch(dg.Config):
    """What a run is to do."""

    fails: bool = False
    check_passes: bool = True
    warning_passes: bool = True


@dg.asset(key=["fraud_detection", "model"], partitions_def=DAYS)
def model(config: Switch) -> None:
    """Fails with a message that quotes a row, when it is told to."""
    if config.fails:
        raise MemoryError("row 17: card 4111 1111 1111 1111")


@dg.asset(key=EVENTS, check_specs=[dg.AssetCheckSpec(name, asset=EVENTS) for name in ("contract", "volume")])
def events(config: Switch) -> dg.MaterializeResult:
    """Has a check of severity ERROR and one that warns."""
    error, warn = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN
    return dg.MaterializeResult(
        check_results=[
            dg.AssetCheckResult(check_name="contract", passed=config.check_passes, severity=error),
            dg.AssetCheckResult(check_name="volume", passed=config.warning_passes, severity=warn),
        ]
    )


JOBS = dg.Definitions(
    assets=[model, events],
    jobs=[
        dg.define_asset_job("fraud_detection__retrain", [model.key], tags=PRODUCT_TAGS),
        dg.define_asset_job("fraud_detection__ingest", [EVENTS], tags=PRODUCT_TAGS),
    ],
    executor=dg.in_process_executor,
)


def run_model(instance: dg.DagsterInstance, day: str = "2026-05-01", *, fails: bool) -> str:
    """Run the model's day; return the run's id."""
    config = {"ops": {"fraud_detection__model": {"config": {"fails": fails}}}}
    job = JOBS.resolve_job_def("fraud_detection__retrain")
    done = job.execute_in_process(
        instance=instance, partition_key=day, run_config=config, raise_on_error=False
    )
    assert done.success is not fails
    return done.run_id


def run_events(instance: dg.DagsterInstance, *, check_passes: bool, warning_passes: bool = True) -> str:
    """Run the events; return the run's id."""
    given = {"check_passes": check_passes, "warning_passes": warning_passes}
    config = {"ops": {"fraud_detection__events": {"config": given}}}
    done = JOBS.resolve_job_def("fraud_detection__ingest").execute_in_process(
        instance=instance, run_config=config
    )
    assert done.success
    return done.run_id
