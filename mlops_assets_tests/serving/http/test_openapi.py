"""What the OpenAPI page says is true: schemathesis makes requests from it, right and wrong ones, and finds nothing."""

import subprocess
import sys
from pathlib import Path

from mlops_assets_tests.support.homes.served_product import Served

EXAMPLES = 10
"""Generated requests per endpoint, beside those that cover each limit of each field."""
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "allow_header_conformance",
)
"""All but positive_data_acceptance: a valid time may lie in the future, or before the state."""


def test_generated_requests_find_nothing(either: Served, tmp_path: Path) -> None:
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{either.url}/docs.json"),
        *("--max-examples", str(EXAMPLES), "--seed", "1", "--phases", "examples,coverage,fuzzing"),
        *("--checks", ",".join(CHECKS), "--no-color"),
    ]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False)
    found = "\n".join(line[:400] for line in run.stdout.splitlines())
    assert run.returncode == 0, found + run.stderr[-2000:]
    assert "12 selected / 12 total" in run.stdout, found
