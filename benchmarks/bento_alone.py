"""Whether a bento serves by itself: its own requirements, no checkout, no registry.

`python -m benchmarks.bento_alone`. A small model of fraud_detection, fitted on the product's sample, is packed and
exported as one archive. A fresh environment gets what the bento's own `requirements.lock.txt` says, by hashes, and
nothing else (pip's own configuration says where from); the archive is imported and served there. It is asked 100
golden requests, each of whose captured features and scores must equal the offline executor's to the last bit, put
under load for two seconds, and asked once by the Open Inference Protocol. Any difference ends the command with an
error. Last line: one JSON object with requests, different, packages (in the environment), install_seconds and
seconds_to_ready.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from benchmarks.result import print_json, print_table
from mlops_assets.commands.drill.home import PRODUCT, DrillHome, make_drill_home
from mlops_assets.core.bento.build import BuiltBento, bento_environment, built_bento
from mlops_assets.core.bento.golden_requests import GoldenRequests, golden_requests
from mlops_assets.core.bento.latency import LatencyLimits
from mlops_assets.core.bento.server import served
from mlops_assets.core.bento.smoke import smoke_test
from mlops_assets.core.errors import PackagingError

ABSENT = ("mlops_assets", "dagster", "sqlalchemy", "flask", "pandas", "pyarrow")
"""What serving must not need."""
START_SECONDS = 120.0
ANY_LATENCY = LatencyLimits(margin=0.0)
"""The load probe counts failed answers here; `benchmarks.serving` measures their times."""
_DATATYPES = {int: "INT64", float: "FP64", str: "BYTES"}


def main() -> None:
    """Install, serve, ask, and print what was seen."""
    with tempfile.TemporaryDirectory(prefix="alone-") as folder:
        root = Path(folder)
        home = make_drill_home(root / "home")
        golden = golden_requests(home.product, home.models[0], home.events, home.labels)
        python = root / "venv" / "bin" / "python"
        install_seconds = _install(home.bento, python)
        bento = _moved(home, root, python)
        result = smoke_test(bento, golden, limits=ANY_LATENCY, python=str(python))
        _ask_by_protocol(bento, golden, python)
        packages = json.loads(_run(python, "-m", "pip", "list", "--format", "json"))
    answer = {
        "requests": result.requests,
        "different": 0,
        "packages": len(packages),
        "install_seconds": round(install_seconds, 1),
        "seconds_to_ready": round(result.seconds_to_ready, 1),
    }
    print_table("A bento by itself", ("", "seen"), list(answer.items()))
    print_json(answer)


def _install(bento: BuiltBento, python: Path) -> float:
    """Make the environment of the bento's own requirements.

    Raises: PackagingError when it holds what a bento must do without.
    """
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "venv", str(python.parent.parent)], check=True)
    requirements = bento.path / "env" / "python" / "requirements.lock.txt"
    quiet = ("--quiet", "--disable-pip-version-check")
    _run(python, "-m", "pip", "install", *quiet, "--require-hashes", "--requirement", str(requirements))
    _run(python, "-m", "pip", "check")
    seconds = time.perf_counter() - began
    finder = "import importlib.util, sys; print([n for n in sys.argv[1:] if importlib.util.find_spec(n)])"
    if (found := _run(python, "-c", finder, *ABSENT).strip()) != "[]":
        raise PackagingError(f"the bento's own environment holds {found}")
    return seconds


def _moved(home: DrillHome, root: Path, python: Path) -> BuiltBento:
    """Carry the bento as one archive into a BentoML home of its own, by the environment's own BentoML."""
    archive, elsewhere = root / f"{PRODUCT}.bento", root / "elsewhere"
    elsewhere.mkdir()
    _run(
        Path(sys.executable),
        "-m",
        "bentoml",
        "export",
        home.bento.tag,
        str(archive),
        home=home.bento.bentoml_home,
    )
    _run(python, "-m", "bentoml", "import", str(archive), home=elsewhere)
    return built_bento(home.bento.tag, elsewhere)


def _ask_by_protocol(bento: BuiltBento, golden: GoldenRequests, python: Path) -> None:
    """Ask the first golden request as KServe's clients do, on a server without state.

    Raises: PackagingError when the answer is not that of /predict.
    """
    event = {name: value for name, value in golden.events[0].items() if value is not None}
    inputs = [
        {"name": name, "shape": [1], "datatype": _DATATYPES[type(value)], "data": [value]}
        for name, value in event.items()
    ]
    with (
        served(bento, timeout_seconds=START_SECONDS, python=str(python)) as server,
        httpx.Client(base_url=server.url, timeout=30) as client,
    ):
        asked = client.post("/predict", json=event)
        protocol = client.post(f"/v2/models/{PRODUCT}/infer", json={"inputs": inputs})
    if asked.status_code != httpx.codes.OK or protocol.status_code != httpx.codes.OK:
        raise PackagingError(f"/predict gave {asked.text[:300]}, /v2 gave {protocol.text[:300]}")
    outputs = {tensor["name"]: tensor["data"][0] for tensor in protocol.json()["outputs"]}
    if outputs["score"] != asked.json()["score"]:
        raise PackagingError(f"/predict gave score {asked.json()['score']}, /v2 gave {outputs['score']}")


def _run(python: Path, *arguments: str, home: Path | None = None) -> str:
    environment = bento_environment(home) if home is not None else dict(os.environ)
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [str(python), *arguments],
        capture_output=True,
        text=True,
        env=environment,
        cwd=python.parent,
        check=False,
    )
    if done.returncode:
        raise PackagingError(f"{' '.join(arguments[:4])} failed: {(done.stderr or done.stdout)[-2000:]}")
    return done.stdout


if __name__ == "__main__":
    main()
