"""A module's syntax tree without what cannot change its behaviour, and the names that it mentions."""

import ast
import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_DOTTED = re.compile(r"[\w-]+(\.[\w-]+)+")


@dataclass(frozen=True)
class CodeFacts:
    """What a piece of code says, as far as its behaviour depends on it."""

    digest: str
    """SHA-256 of the syntax tree: comments, docstrings, layout and imports for type checkers do not count."""
    imports: tuple[str, ...]
    """Modules that it imports, wherever in it, and for `from m import n` also `m.n`."""
    texts: tuple[str, ...]
    """Its string constants with dots in them: some name a module that is started, or a file that is read."""
    attributes: tuple[str, ...]
    """Names of the attributes that it reads, of whatever object."""


def module_tree(source: bytes, *, name: str) -> ast.Module:
    """Parse a module and leave out texts that stand alone (docstrings) and what only type checkers run.

    Raises: SyntaxError.
    """
    tree = ast.parse(source, filename=name)
    for node in ast.walk(tree):
        for block in ("body", "orelse", "finalbody"):
            statements = getattr(node, block, None)
            if isinstance(statements, list):
                setattr(node, block, list(_effective(statements)))
    return tree


def facts_of(nodes: Iterable[ast.AST]) -> CodeFacts:
    """Digest pieces of a tree of `module_tree`, and collect what they mention."""
    imports, texts, attributes = set[str](), set[str](), set[str]()
    content = hashlib.sha256()
    for piece in nodes:
        content.update(ast.dump(piece, annotate_fields=False).encode() + b"\n")
        for node in ast.walk(piece):
            if isinstance(node, ast.Import | ast.ImportFrom):
                imports.update(imported_names(node))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.update([node.value] if _DOTTED.fullmatch(node.value) else ())
            elif isinstance(node, ast.Attribute):
                attributes.add(node.attr)
    return CodeFacts(
        content.hexdigest(), tuple(sorted(imports)), tuple(sorted(texts)), tuple(sorted(attributes))
    )


def imported_names(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    """Yield the dotted names that an import may load; relative imports are not used in this project."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif node.module is not None:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _effective(statements: list[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in statements:
        if _is_text(statement):
            continue
        if isinstance(statement, ast.If) and _is_type_checking(statement.test):
            yield from _effective(statement.orelse)
        else:
            yield statement


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _is_type_checking(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else test.id if isinstance(test, ast.Name) else ""
    return name == "TYPE_CHECKING"
