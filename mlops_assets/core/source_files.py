"""Which files a declared path means: a file, a folder of files, or a pattern with `*`, `?` or `[...]` in any part."""

import glob
from pathlib import Path

from mlops_assets.core.errors import SourceError

_PATTERN = frozenset("*?[")


def data_files(path: Path, *, suffix: str) -> tuple[Path, ...]:
    """Return the data files that `path` means, sorted; a name that exists is itself, whatever signs it has.

    Files and folders whose name begins with `.` or `_` are no data: Spark and Hive keep their own notes there. Of a
    folder, at any depth, the files with `suffix` are taken.

    Raises: SourceError when there is none, with what is there instead.
    """
    if path.is_file():
        return (path,)
    found = [path] if path.is_dir() else _matches(path)
    files = sorted({file for place in found for file in _files_in(place, suffix=suffix)})
    if not files:
        raise SourceError(f"source.path: {_what_is_missing(path, suffix=suffix)}")
    return tuple(files)


def _matches(path: Path) -> list[Path]:
    if not _PATTERN & set(str(path)):
        return []
    found = [Path(name) for name in glob.glob(_readable(path), recursive=True)]  # noqa: PTH207 - absolute patterns
    asked_for = {part for part in path.parts if _is_hidden(part)}
    return [one for one in found if all(part in asked_for for part in one.parts if _is_hidden(part))]


def _readable(path: Path) -> str:
    """The pattern, with those folders that exist as they are written taken literally."""
    literal, rest = Path(path.anchor), path.parts[1:] if path.anchor else path.parts
    for number, part in enumerate(rest):
        if not (literal / part).exists():
            return str(Path(glob.escape(str(literal)), *rest[number:]))
        literal /= part
    return glob.escape(str(literal))


def _files_in(place: Path, *, suffix: str) -> list[Path]:
    if place.is_file():
        return [] if _is_hidden(place.name) else [place]
    inside = place.rglob(f"*{suffix}")
    return [
        file
        for file in inside
        if file.is_file() and not any(_is_hidden(part) for part in file.relative_to(place).parts)
    ]


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "_"))


def _what_is_missing(path: Path, *, suffix: str) -> str:
    if path.is_dir():
        return f"the folder {path} has no *{suffix} file"
    if not path.parent.is_dir():
        nearest = next(folder for folder in path.parents if folder.is_dir())
        return f"there is no {path}; nor its folder {path.parent}: {nearest} is there"
    others = sorted(other.name for other in path.parent.glob(f"*{suffix}"))
    return f"there is no {path}; its folder has {', '.join(others[:5]) if others else f'no *{suffix} file'}"
