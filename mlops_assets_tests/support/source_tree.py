"""The repository's Python files, and which of them hold logic."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("mlops_assets", "serving", "benchmarks", "mlops_assets_tests")
TESTS = ROOT / "mlops_assets_tests"

_DECIDES = (ast.If, ast.IfExp, ast.Match, ast.Try, ast.BoolOp, ast.Compare)
_LOOPS = (ast.For, ast.AsyncFor, ast.While, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_COMPUTES = (ast.BinOp, ast.AugAssign, ast.UnaryOp)


def modules(*packages: str) -> list[Path]:
    """Every module below the packages, without `__init__.py`."""
    return sorted(
        file
        for package in packages
        for file in (ROOT / package).rglob("*.py")
        if file.name != "__init__.py" and "__pycache__" not in file.parts
    )


def has_logic(source: str) -> bool:
    """Whether a function of the module branches, loops or computes: whether it could be wrong.

    A function that only calls, builds or returns is wrong where what it calls is. Declarations, constants, protocols
    and annotations (`int | None` is an operation, too) do nothing.
    """
    return any(isinstance(node, _DECIDES + _LOOPS + _COMPUTES) for node in _executed(ast.parse(source)))


def _executed(tree: ast.Module) -> Iterator[ast.AST]:
    """Everything in the bodies of functions, annotations left out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for statement in node.body:
                yield from _without_annotations(statement)
        elif isinstance(node, ast.Lambda):
            yield from _without_annotations(node.body)


def _without_annotations(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _without_annotations(child)


def undescribed_parameters(source: str, most: int = 4) -> Iterator[tuple[str, list[str]]]:
    """Public functions of more than `most` parameters, with those that their docstring does not name.

    A function inside another one is nobody else's to call.
    """
    tree = ast.parse(source)
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    for node in (inner for outer in (tree, *classes) for inner in outer.body):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("_"):
            continue
        given = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
        names = [argument.arg for argument in given if argument.arg not in ("self", "cls")]
        said = set(re.findall(r"\w+", ast.get_docstring(node) or ""))
        if len(names) > most and (missing := [name for name in names if name not in said]):
            yield node.name, missing


def function_lines(source: str) -> Iterator[tuple[str, int]]:
    """Every function, methods and inner ones included, with its lines."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def mirror_of(module: Path) -> Path:
    """The test module of a module: X/test_Y.py for mlops_assets/X/Y.py, serving/test_Y.py for serving/Y.py."""
    inner = module.relative_to(ROOT)
    if inner.parts[0] == "mlops_assets":
        inner = inner.relative_to("mlops_assets")
    return TESTS / inner.with_name(f"test_{inner.name}")


def imported_modules(source: str) -> set[str]:
    """Dotted names of everything that the module imports, and of what it imports from it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names
