"""Quality before the labels come: error and coverage of the estimate, NannyML's CBPE on the same windows beside it.

    make peers-nannyml, then: python -m benchmarks.estimated_performance [--planted N] [--worlds NAME …]

Windows as they came: fraud_detection by week (simulated), mortality_risk by group of disease, employment in
Massachusetts 2016 to 2018 and New York's flights of 2013 by week, each with a model frozen before. Planted windows:
half of a reference stays reference, windows are drawn from the other half, with and without a shift of the
population, and with labels of 40 % of the rows that changed places. What counts is the realized
metric of the window's rows once all labels are there.

Twice: without any label (NannyML never uses one), and with those of the first 30 % of the rows. `mean_absolute_error`
and its peer are of the primary metric without labels, all windows but those with planted concept shift; `coverage` is
that of the 95 % intervals of primary metric, calibration bias and cost, of estimates that are trusted, both ways;
`not_trusted_under_concept_shift` needs labels, and counts planted concept shift with the first 30 %. `coverage_low` and
`coverage_high`: 95 % bootstrap of the worlds, each split one, since windows of one reference are not independent.
"""

import argparse
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
from rich.progress import track

from benchmarks.estimated_performance.worlds import World, employment, flights, fraud, mortality, planted
from benchmarks.result import print_json, print_table
from mlops_assets.core.evaluation.bootstrap import Resamples
from mlops_assets.core.monitoring.estimated.estimate import estimate_window
from mlops_assets.core.monitoring.estimated.reference import LearnedReference
from mlops_assets.core.monitoring.estimated.scored_rows import scored_rows
from mlops_assets.core.monitoring.estimated.soft_metrics import SoftMetrics

PEERS_PYTHON = Path(".venv-peers-nannyml/bin/python")
PEER = Path(__file__).with_name("peer.py")
KNOWN_SHARE = 0.3
PEER_NAMES = {"auc": "roc_auc", "average_precision": "average_precision"}
WORLDS = ("fraud_detection", "mortality_risk", "employment", "flights")


def main() -> None:
    """Run the benchmark and print its tables and its one line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--planted", type=int, default=4, help="splits with planted windows, of each world")
    parser.add_argument("--answers", type=Path, help="where to leave every estimate as a Parquet file")
    parser.add_argument("--worlds", nargs="+", default=list(WORLDS), choices=WORLDS)
    options = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_peer_data(folder)
        worlds = _worlds(options.worlds, folder)
        worlds += [
            planted(world, seed=seed) for world in _one_of_each(worlds) for seed in range(options.planted)
        ]
        said = _nannyml(worlds, folder)
    answers = pl.concat([_answers(world, said[world.name]) for world in worlds])
    if options.answers is not None:
        answers.write_parquet(options.answers)
    _report(answers)


def _worlds(chosen: Sequence[str], folder: Path) -> list[World]:
    found: list[World] = []
    for name in track(chosen, description="models"):
        match name:
            case "fraud_detection":
                found.append(fraud(folder))
            case "mortality_risk":
                found += [mortality(seed=seed) for seed in range(2)]
            case "employment":
                found.append(employment(folder))
            case _:
                found.append(flights(folder))
    return found


def _one_of_each(worlds: Sequence[World]) -> list[World]:
    """The first split of a cohort stands for all of them."""
    return list({world.name.split(" ")[0]: world for world in reversed(worlds)}.values())[::-1]


def write_peer_data(folder: Path) -> None:
    """Write the data sets of the peer's environment into the folder."""
    if not PEERS_PYTHON.exists():
        raise SystemExit(f"{PEERS_PYTHON} is missing: run make peers-nannyml")
    _peer("data", folder)


def _peer(command: str, folder: Path) -> None:
    subprocess.run([PEERS_PYTHON, PEER, command, folder], check=True, capture_output=True, text=True)


def _nannyml(worlds: Sequence[World], folder: Path) -> dict[str, dict[str, list[float]]]:
    columns = [pl.col("label").cast(pl.Int64), pl.col("score"), pl.col("decision").cast(pl.Int64)]
    for world in worlds:
        metric = pl.lit(PEER_NAMES[world.evaluation.primary_metric]).alias("metric")
        world.reference.select(*columns, metric).write_parquet(folder / f"{world.name}.reference.parquet")
        windows = [w.rows.select(*columns, window=pl.lit(w.name)) for w in world.windows]
        pl.concat(windows).write_parquet(folder / f"{world.name}.windows.parquet")
    _peer("estimate", folder)
    return json.loads((folder / "estimates.json").read_text())


def _answers(world: World, said: dict[str, list[float]]) -> pl.DataFrame:
    """One row per window, metric, and share of known labels."""
    columns = {
        "label": "label", "score": "score", "feature_names": world.features,
        "group": "group" if world.is_grouped else None,
        "day": "day" if "day" in world.reference.columns else None,
    }  # fmt: skip
    rows = scored_rows(world.reference, **columns)
    reference = LearnedReference(rows, world.evaluation, world.monitoring)
    found = []
    for window in track(world.windows, description=world.name):
        all_known = scored_rows(window.rows, **columns)
        truth = SoftMetrics(all_known, cost=world.evaluation.cost).of(all_known.labels)
        for share in (0.0, KNOWN_SHARE):
            is_known = pl.int_range(pl.len()) < share * window.rows.height
            rows = scored_rows(window.rows.with_columns(pl.when(is_known).then("label")), **columns)
            estimates = estimate_window(reference, rows, seed=0)
            judged = (estimates[0].metric, "calibration_bias", "cost_per_row")
            found += [
                {
                    "world": world.name, "kind": window.kind, "window": window.name, "known": share,
                    "metric": one.metric, "is_primary": one is estimates[0], "truth": truth[one.metric],
                    "value": one.value, "low": one.low, "high": one.high, "trusted": one.trusted, "doubt": one.doubt,
                    "expected": one.expected, "peer": said[window.name] if one is estimates[0] else None,
                }
                for one in estimates
                if one.metric in judged
            ]  # fmt: skip
    schema = {
        "low": pl.Float64,
        "high": pl.Float64,
        "value": pl.Float64,
        "doubt": pl.String,
        "expected": pl.Float64,
    }
    return pl.DataFrame(found, schema_overrides={**schema, "peer": pl.List(pl.Float64)}).with_columns(
        error=(pl.col("value") - pl.col("truth")).abs(),
        width=pl.col("high") - pl.col("low"),
        peer_error=(pl.col("peer").list.get(0) - pl.col("truth")).abs(),
        unmoved_error=(pl.col("expected") - pl.col("truth")).abs(),
        is_held=pl.col("truth").is_between(pl.col("low"), pl.col("high")),
        is_held_by_peer=pl.col("truth").is_between(pl.col("peer").list.get(1), pl.col("peer").list.get(2)),
    )


def _report(answers: pl.DataFrame) -> None:
    name = pl.col("world").str.replace(r"( \d)?(, planted \d+)?$", "")
    by = ("world", "kind", "known")
    primary = answers.filter("is_primary")
    table = (
        primary.with_columns(world=name)
        .group_by(by, maintain_order=True)
        .agg(
            pl.len().alias("windows"),
            pl.col("error").mean(), pl.col("peer_error").mean(), pl.col("unmoved_error").mean(),
            pl.col("width").mean(),
            pl.col("trusted").mean(),
            pl.col("is_held").mean().alias("held"),
            pl.col("is_held").filter("trusted").mean().alias("held, trusted"),
            pl.col("is_held_by_peer").mean().alias("held by NannyML"),
        )
    )  # fmt: skip
    print_table("Primary metric: error, and share of intervals that hold it", table.columns, table.rows())
    unmoved = pl.col("kind") != "concept shift"
    alone = primary.filter(unmoved, known=0.0)
    trusted = answers.filter(unmoved, "trusted")
    moved = primary.filter(~unmoved)
    covered = {str(share): _mean(trusted.filter(known=share), "is_held") for share in (0.0, KNOWN_SHARE)}
    low, high = _interval(trusted, "is_held")
    print_json(
        {
            "mean_absolute_error": _mean(alone, "error"),
            "mean_absolute_error_nannyml": _mean(alone, "peer_error"),
            "mean_absolute_error_of_no_change": _mean(alone, "unmoved_error"),
            "mean_absolute_error_with_labels": _mean(primary.filter(unmoved, known=KNOWN_SHARE), "error"),
            "coverage": _mean(trusted, "is_held"),
            "coverage_low": low,
            "coverage_high": high,
            "coverage_by_known_share": covered,
            "coverage_by_kind": {
                kind: _mean(trusted.filter(kind=kind), "is_held")
                for kind in ("as it came", "no shift", "covariate shift")
            },
            "coverage_nannyml": _mean(alone, "is_held_by_peer"),
            "not_trusted": 1 - _mean(primary.filter(unmoved), "trusted"),
            "not_trusted_under_concept_shift": 1 - _mean(moved.filter(known=KNOWN_SHARE), "trusted"),
            "not_trusted_under_concept_shift_without_labels": 1 - _mean(moved.filter(known=0.0), "trusted"),
            "windows": alone.height + moved.filter(known=0.0).height,
        }
    )


def _mean(answers: pl.DataFrame, column: str) -> float:
    return round(float(answers[column].cast(pl.Float64).drop_nulls().to_numpy().mean()), 4)


def _interval(answers: pl.DataFrame, column: str) -> tuple[float, float]:
    """95 % percentile interval of the column's mean, worlds drawn with replacement."""
    worlds = answers.group_by("world", maintain_order=True).agg(pl.col(column).sum(), pl.len())
    held, judged = worlds[column].to_numpy(), worlds["len"].to_numpy()
    drawn = [(held @ draw) / (judged @ draw) for draw in Resamples(worlds.height, 2000, seed=0).blocks()]
    low, high = np.quantile(np.concatenate(drawn), [0.025, 0.975])
    return round(float(low), 4), round(float(high), 4)


if __name__ == "__main__":
    main()
