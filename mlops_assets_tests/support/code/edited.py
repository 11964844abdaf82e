"""Our packages with other source text in one module, as a code base that can be asked about and as files that run."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from mlops_assets.core.identity.code_base import CodeBase, installed_code


@dataclass(frozen=True)
class Edit:
    """A text in a module of ours, and what stands there instead."""

    module: str
    old: str
    new: str

    def of(self, source: bytes) -> bytes:
        text = source.decode()
        assert self.old in text, f"{self.module} has no {self.old!r}"
        return text.replace(self.old, self.new, 1).encode()


def edited_code(*edits: Edit) -> CodeBase:
    """The installed code, as if the edits were made."""
    installed = installed_code()
    by_file = {installed.module_file(edit.module): edit for edit in edits}

    def source_of(path: Path) -> bytes:
        source = path.read_bytes()
        return by_file[path].of(source) if path in by_file else source

    return CodeBase(installed.folders, source_of, installed.facts_cache)


def copied_packages(folder: Path, *edits: Edit) -> Path:
    """Copy the packages into `folder`, with the edits made."""
    installed = installed_code()
    for name, package in installed.folders.items():
        shutil.copytree(package, folder / name)
    for edit in edits:
        file = folder / installed.module_file(edit.module).relative_to(
            installed.folders["mlops_assets"].parent
        )
        file.write_bytes(edit.of(file.read_bytes()))
    return folder


def run_with(packages: Path, script: str, *arguments: str) -> str:
    """Run a script in a process that imports the copied packages, and return what it prints."""
    tests = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(packages), str(tests)])}
    done = subprocess.run(
        [sys.executable, "-P", "-c", script, *arguments],
        env=environment,
        cwd=packages,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
