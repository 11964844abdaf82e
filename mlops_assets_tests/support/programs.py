"""The programs of Debian that tests marked `servers` start.

`python -m mlops_assets_tests.support.programs [--install]` says what is missing, or installs it.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

ROOT = 0
_FOLDERS = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin"))
"""Debian puts servers where the path of a plain user does not look."""


class MissingProgramError(RuntimeError):
    """A program that a test needs is not installed."""


@dataclass(frozen=True)
class Program:
    """A program, and the package that brings it."""

    name: str
    package: str
    also: tuple[str, ...] = ()
    """Other names under which systems install the same."""

    def find(self, folders: str = _FOLDERS) -> str | None:
        """Return where it is installed, or None; `folders` is a search path."""
        found = (shutil.which(name, path=folders) for name in (self.name, *self.also))
        return next((path for path in found if path), None)

    def path(self, folders: str = _FOLDERS) -> str:
        """Return where it is installed.

        Raises: MissingProgramError where it is not, with the command that installs it.
        """
        if found := self.find(folders):
            return found
        raise MissingProgramError(f"{self.name} is not installed: {words([self])}")


CHROMIUM = Program("chromium", "chromium", also=("google-chrome",))
PROMETHEUS = Program("prometheus", "prometheus")
PROMTOOL = Program("promtool", "prometheus")
ALERTMANAGER = Program("prometheus-alertmanager", "prometheus-alertmanager", also=("alertmanager",))
AMTOOL = Program("amtool", "prometheus-alertmanager")
PROGRAMS = (CHROMIUM, PROMETHEUS, PROMTOOL, ALERTMANAGER, AMTOOL)


def install_command(programs: Sequence[Program]) -> list[str]:
    """Return the command that installs them, without what is only recommended."""
    packages = sorted({program.package for program in programs})
    return ["apt-get", "install", "-y", "--no-install-recommends", *packages]


def words(programs: Sequence[Program]) -> str:
    """Return what a person does to get them."""
    return f"sudo {' '.join(install_command(programs))}"


def main(*arguments: str, programs: Sequence[Program] = PROGRAMS, folders: str = _FOLDERS) -> int:
    """Say what is missing, or install it where `--install` asks for it; return 1 where something is missing then."""
    missing = [program for program in programs if not program.find(folders)]
    if missing and "--install" in arguments:
        _install(missing)
        missing = [program for program in missing if not program.find(folders)]
    if missing:
        names = ", ".join(program.name for program in missing)
        sys.stderr.write(
            f"missing: {names}. On Debian and Ubuntu: {words(missing)}\n"
            "`make test-servers INSTALL=1` does it, as root or with sudo.\n"
        )
    return 1 if missing else 0


def _install(programs: Sequence[Program]) -> None:
    prefix = [] if os.geteuid() == ROOT else ["sudo", "--non-interactive"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-q"], install_command(programs)):
        subprocess.run([*prefix, *command], check=True, env=environment)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
