"""Builds the documentation's site from the repository's pages: `make docs`.

The pages are copied with their images to one folder, at the paths that they have in the repository, so that the
relative links between README, docs and the products' READMEs lead on. Zensical builds them strictly. Afterwards no page
may load anything from elsewhere.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
STAGED, SITE = ROOT / ".site", ROOT / "site"
PAGES = (
    "*.md",
    "LICENSE",
    "docs/**/*.md",
    "docs/images/*",
    "benchmarks/README.md",
    "mlops_assets/products/*/README.md",
)
# What a browser fetches by itself; a link that a person may follow is none.
_LOADED = re.compile(
    r"""<(?:script|img|iframe|source|video|audio)\b[^>]*?\bsrc=["']?(?:https?:)?//[^"'\s>]+"""
    r"""|<link\b(?=[^>]*\brel=["']?(?:stylesheet|preconnect|preload|icon))[^>]*\bhref=["']?(?:https?:)?//[^"'\s>]+"""
    r"""|url\(["']?(?:https?:)?//[^)]+|@import\s+["'](?:https?:)?//[^"']+"""
)


def stage() -> None:
    """Copy the pages and what they show to STAGED; what was there before goes."""
    shutil.rmtree(STAGED, ignore_errors=True)
    for pattern in PAGES:
        for path in ROOT.glob(pattern):
            target = STAGED / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def build() -> int:
    """Build SITE strictly and return Zensical's exit code: a broken link fails."""
    shutil.rmtree(SITE, ignore_errors=True)
    command = [Path(sys.executable).with_name("zensical"), "build", "--clean", "--strict"]
    return subprocess.run(command, check=False, cwd=ROOT, env={**os.environ, "NO_COLOR": "1"}).returncode


def loaded_from_elsewhere(site: Path) -> Iterator[str]:
    """Everything that a page or a style sheet of `site` would fetch from another host."""
    for path in sorted([*site.rglob("*.html"), *site.rglob("*.css")]):
        for found in _LOADED.findall(path.read_text(encoding="utf-8")):
            yield f"{path.relative_to(site)}: {found}"


def main() -> None:
    """Stage, build, check; exit 1 with the reasons when a step fails."""
    stage()
    if code := build():
        sys.exit(code)
    if found := list(loaded_from_elsewhere(SITE)):
        sys.exit("the site would load from elsewhere:\n" + "\n".join(found))


if __name__ == "__main__":
    main()
