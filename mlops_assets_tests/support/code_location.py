"""A code location in plain text: its assets, checks, jobs, schedules and sensors.

`python -m mlops_assets_tests.support.code_location > mlops_assets_tests/code_location.txt` writes it down.
"""

import os
import sys
from collections.abc import Iterator

import dagster as dg

from mlops_assets.definitions import defs


def describe(definitions: dg.Definitions) -> str:
    """One line per asset, check, job, schedule and sensor, sorted."""
    repository = definitions.get_repository_def()
    lines = [*_assets(definitions), *_checks(definitions)]
    for job in repository.get_all_jobs():
        if not job.name.startswith("__"):
            keys = sorted(key.path[-1] for key in job.asset_layer.executable_asset_keys) or [
                "the release plan"
            ]
            lines.append(f"job {job.name}: {', '.join(keys)}")
    lines += [
        f"schedule {one.name}: {one.cron_schedule}, starts {one.job_name}, {one.default_status.value}"
        for one in repository.schedule_defs
    ]
    lines += [f"sensor {one.name}: {one.default_status.value}" for one in repository.sensor_defs]
    return "".join(f"{line}\n" for line in sorted(lines))


def _assets(definitions: dg.Definitions) -> Iterator[str]:
    for spec in definitions.resolve_all_asset_specs():
        days = ", daily" if isinstance(spec.partitions_def, dg.DailyPartitionsDefinition) else ""
        sources = ", ".join(sorted(dep.asset_key.path[-1] for dep in spec.deps)) or "the source"
        kinds = ", ".join(sorted(spec.kinds))
        yield f"asset {spec.key.to_user_string()} ({spec.group_name}{days}; {kinds}) from {sources}"


def _checks(definitions: dg.Definitions) -> Iterator[str]:
    for node in definitions.resolve_asset_graph().asset_check_keys:
        check = definitions.resolve_asset_graph().get_check_spec(node)
        yield f"check {check.asset_key.to_user_string()}:{check.name}{' blocks' if check.blocking else ''}"


if __name__ == "__main__":
    os.environ["MLOPS_HOME"] = "/nonexistent"  # nothing is read or written there
    sys.stdout.write(describe(defs()))
