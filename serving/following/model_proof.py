"""Proves one model in a process of its own: `python -m serving.following.model_proof FOLDER`.

It loads the model and answers its golden rows as a service does, and prints how much memory that took. On a model that
kills its process, this one dies.
"""

import argparse
import sys
from pathlib import Path

from serving.following.apart import end_child, options_of_child

REFUSED = 1
"""Exit code of a model that does not answer right; the last line of the output says why."""
SLACK_BYTES = 64 * 1024 * 1024
"""What the libraries may take beside the model when they are first used."""


def main(arguments: list[str] | None = None) -> None:
    """Prove the model of the command line; print one JSON object, `growth` in bytes or why it is `refused`."""
    parser = argparse.ArgumentParser(prog="python -m serving.following.model_proof", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--digest", required=True, help="of the model that it must be")
    parser.add_argument("--answers", help="its golden answers as JSON")
    parser.add_argument("--bytes", type=int, help="of memory that it may take")
    options = options_of_child(parser, arguments)
    end_child(*_proved(options.folder, options.digest, options.answers, limit=options.bytes))


def _proved(
    folder: Path, digest: str, answers: str | None, *, limit: int | None
) -> tuple[dict[str, object], int]:
    # What a worker has loaded already is no part of what the model takes.
    import lightgbm  # noqa: F401

    from mlops_assets.core.errors import PlatformError
    from mlops_assets.core.model.golden_answers import require_golden_answers
    from mlops_assets.core.model.trained_model import TrainedModel
    from mlops_assets.core.runtime.memory import limit_growth, peak_memory, resident_memory

    before = resident_memory()
    if limit is not None:
        limit_growth(limit + SLACK_BYTES)
    try:
        model = TrainedModel.load(folder)
        if model.digest != digest:
            return {"refused": f"its files hold model {model.digest[:12]}, not {digest[:12]}"}, REFUSED
        require_golden_answers(model, answers)
    except MemoryError:
        return {"refused": "", "is_memory": True}, REFUSED
    except PlatformError as error:
        return {"refused": str(error), "is_memory": "bad_alloc" in str(error)}, REFUSED
    return {"growth": max(0, peak_memory() - before)}, 0


if __name__ == "__main__":
    main(sys.argv[1:])
