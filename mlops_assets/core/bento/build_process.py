"""Builds one bento from a prepared folder, in a process of its own that imports none of our packages: `python -P FILE
FOLDER`.

BentoML imports the service while it builds, and its stores are process-wide; neither belongs into the process
that materializes assets.
"""

import json
import shutil
import sys
from pathlib import Path

PLAN_FILE = "build.json"
MODEL_FOLDER = "model"
SOURCE_FOLDER = "source"
LOCK_FILE = ("env", "python", "requirements.lock.txt")
"""Where in a bento its requirements with hashes are."""
SERVICE = "bento_service:service"


def main(folder: Path) -> None:
    """Store the model and build the bento that `folder` describes, in the stores under $BENTOML_HOME."""
    import bentoml

    plan = json.loads((folder / PLAN_FILE).read_text(encoding="utf-8"))
    name, version = plan["tag"].split(":")
    with bentoml.models.create(plan["tag"], labels=plan["labels"], metadata=plan["metadata"]) as stored:
        for file in sorted((folder / MODEL_FOLDER).iterdir()):
            shutil.copyfile(file, Path(stored.path) / file.name)
    built = bentoml.build(
        SERVICE,
        name=name,
        version=version,
        build_ctx=str(folder / SOURCE_FOLDER),
        include=["**"],
        labels=plan["labels"],
        description=plan["description"],
        python={"packages": plan["requirements"], "lock_packages": False, "pack_git_packages": False},
    )
    if lock := plan.get("lock"):
        # BentoML's own lock file has no hashes. What it installs, in an image too, is the file of this name.
        Path(built.path, *LOCK_FILE).write_text(lock, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
