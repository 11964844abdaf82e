"""Fetches one artifact from the registry: `python -m serving.following.artifact_fetch model|view`.

The registry is the one of `MLFLOW_TRACKING_URI`. A server that hangs, or sends without end, holds up only this process.
"""

import argparse
import os
import resource
import sys
from pathlib import Path

from serving.following.apart import end_child, options_of_child

REFUSED = 1
"""Exit code when it cannot be had; the last line of the output says why."""
REGISTRY_VARIABLE = "MLFLOW_TRACKING_URI"
"""Holds the address, which may hold a password, so it is on no command line."""
FETCHED_VIEW = "view.json"


def main(arguments: list[str] | None = None) -> None:
    """Put what the command line names into its folder; print one JSON object, which says why where it is `refused`."""
    parser = argparse.ArgumentParser(prog="python -m serving.following.artifact_fetch", description=__doc__)
    parser.add_argument("kind", choices=["model", "view"])
    parser.add_argument("source", help="URI of the model, or id of the run that stored the view")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--subject", required=True, help="what it is, for errors")
    options = options_of_child(parser, arguments)
    _limit_files()
    end_child(*fetched(options.kind, options.source, options.folder, subject=options.subject))


def _limit_files() -> None:
    """Whatever size a server names and sends: no file of this process becomes larger than a model may be."""
    from mlops_assets.core.model.trained_model import LARGEST_TEXT_BYTES

    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    if hard == resource.RLIM_INFINITY or hard > LARGEST_TEXT_BYTES:
        resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_TEXT_BYTES, hard))


def fetched(kind: str, source: str, folder: Path, *, subject: str) -> tuple[dict[str, object], int]:
    """Put it into the folder; return what to tell, and the exit code."""
    from mlops_assets.core.errors import PlatformError
    from mlops_assets.core.features.stored_view import view_to_json
    from mlops_assets.core.registry.artifacts import fetch_model
    from mlops_assets.core.registry.version_view import run_view

    registry = os.environ[REGISTRY_VARIABLE]
    try:
        if kind == "model":
            fetch_model(registry, source, folder)
        else:
            view = run_view(registry, source, subject=subject)
            (folder / FETCHED_VIEW).write_text(view_to_json(view), encoding="utf-8")
    except (PlatformError, OSError) as error:
        return {"refused": f"{subject} cannot be had: {error}"}, REFUSED
    return {}, 0


if __name__ == "__main__":
    main(sys.argv[1:])
