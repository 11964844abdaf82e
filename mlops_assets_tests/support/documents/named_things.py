"""What documentation names in back quotes, and what there is in the repository to be named."""

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mlops_assets_tests.support.documents.markdown_pages import ROOT, pages

_SPAN = re.compile(r"`([^`\n]+)`")
_SOURCE_FILE = re.compile(r"(?:[\w.-]+/)*[\w-]+\.(?:py|lua|sql)|(?:[\w.-]+/)+[\w-]+\.(?:md|toml|lock|yaml)")
_WORD = re.compile(r"[a-z]+(?:_[a-z0-9]+)+|[A-Z][a-z]+[A-Z]\w*")
_DOTTED = re.compile(r"\w+(?:\.\w+)*(?:\(\))?")
_PREFIX = re.compile(r"[a-z]+_(?:[a-z0-9]+_)+(?={)")


@dataclass(frozen=True)
class Named:
    """One back-quoted text, and the file that names it."""

    text: str
    file: Path

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}: `{self.text}`"


@cache
def repository_files() -> tuple[Path, ...]:
    """Every file that git tracks or would add, relative to the root."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return tuple(Path(line) for line in listed.stdout.splitlines() if (ROOT / line).is_file())


def named_in_pages() -> Iterator[Named]:
    """Back-quoted texts of the documentation's prose."""
    for page in pages():
        yield from (Named(text, page.path) for text in _SPAN.findall(page.prose))


def named_in_docstrings() -> Iterator[Named]:
    """Back-quoted texts of all docstrings, those of attributes included."""
    for path in _python_files():
        for docstring in docstrings(ast.parse(path.read_text(encoding="utf-8"))):
            yield from (Named(text, path) for text in _SPAN.findall(docstring))


def docstrings(tree: ast.AST) -> Iterator[str]:
    """Texts that stand as statements of their own."""
    for node in ast.walk(tree):
        value = node.value if isinstance(node, ast.Expr) else None
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            yield value.value


def source_file(text: str) -> str | None:
    """The path that a back-quoted text names: code always, other files when a folder is given."""
    return text if _SOURCE_FILE.fullmatch(text) else None


def module(text: str) -> str | None:
    """The dotted name of one of our modules, or of something in one, that a back-quoted text names."""
    first, _, rest = text.partition(".")
    if (
        not first
        or not re.fullmatch(r"[A-Za-z_][\w.]*\w", rest)
        or Path(text).suffix in (".py", ".yaml", ".md", ".toml")
    ):
        return None
    if (ROOT / first / "__init__.py").is_file():
        return text
    return f"mlops_assets.{text}" if (ROOT / "mlops_assets" / first).is_dir() else None


def is_in_code(word: str) -> bool:
    """Whether code has the word, or a counter of that name, or builds words that begin so: `f"ratio_vs_{name}"`."""
    return not words_of_code().isdisjoint({word, f"{word}_total"}) or any(
        word.startswith(prefix) for prefix in prefixes_of_code()
    )


def words(text: str) -> list[str]:
    """The names in snake_case or CamelCase that a back-quoted name consists of; of a counter without its `_total`."""
    parts = text.removesuffix("()").split(".") if _DOTTED.fullmatch(text) else []
    return [part.removesuffix("_total") for part in parts if _WORD.fullmatch(part)]


@cache
def words_of_code() -> frozenset[str]:
    """Every word of several parts in code and declarations, outside comments and docstrings, and every file's name."""
    words = {path.stem for path in repository_files()} | {
        p for path in repository_files() for p in path.parts
    }
    for path in _python_files():
        words.update(_words_of_python(path.read_text(encoding="utf-8")))
    for path in repository_files():
        if path.suffix in (".yaml", ".toml", ".lock", ".lua", "") and path.parts[0] != "docs":
            words.update(_WORD.findall((ROOT / path).read_text(encoding="utf-8")))
    return frozenset(words)


@cache
def prefixes_of_code() -> frozenset[str]:
    """How the words begin that formatted strings build; a prefix of one part would say too little."""
    return frozenset(p for path in _python_files() for p in _PREFIX.findall(path.read_text(encoding="utf-8")))


def _words_of_python(source: str) -> Iterator[str]:
    prose = set(docstrings(ast.parse(source)))
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in (tokenize.NAME, tokenize.STRING) and token.string.strip("\"'") not in prose:
            yield from _WORD.findall(token.string)


def _python_files() -> Iterator[Path]:
    return (ROOT / path for path in repository_files() if path.suffix == ".py")
