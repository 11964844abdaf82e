"""The part of a module that one of its functions reaches: the function, and what it uses by name, in turn."""

import ast
from collections.abc import Callable, Iterator, Mapping

from mlops_assets.core.errors import IdentityError
from mlops_assets.core.identity.syntax import imported_names

_Function = ast.FunctionDef | ast.AsyncFunctionDef


def reach_of(tree: ast.Module, qualname: str, *, is_left_out: Callable[[str], bool]) -> tuple[ast.AST, ...]:
    """Follow names from the function `outer.<locals>.inner` (or `outer`) through its own scopes and the module's.

    Returns pieces of the module: parameters and body of the function, and the statements that bind what they name, in
    turn. The function's own decorators say what it is called and shown as, and are not among them.

    Names that are imported from a module that `is_left_out`, and functions with a decorator from there, are not
    followed. A name that a local variable hides counts all the same: reach is at times too large, never too small.
    Raises: IdentityError when the module has no such function.
    """
    scopes = [_bindings(tree.body)]
    body, function = tree.body, None
    for name in qualname.split(".<locals>."):
        found = [node for node in body if isinstance(node, _Function) and node.name == name]
        if not found:
            raise IdentityError(f"no function {qualname} in its module's syntax tree")
        if function is not None:
            scopes.append({**_parameters(function), **_bindings(function.body)})
        function = found[-1]
        body = function.body
    if function is None:
        raise IdentityError("a function needs a name")
    pieces = _followed(function, scopes, is_left_out)
    return tuple(sorted(pieces, key=lambda piece: (getattr(piece, "lineno", 0), type(piece).__name__)))


def _followed(
    function: _Function, scopes: list[dict[str, list[ast.AST]]], is_left_out: Callable[[str], bool]
) -> list[ast.AST]:
    reached: dict[int, ast.AST] = {id(part): part for part in (function.args, *function.body)}
    waiting = list(reached.values())
    while waiting:
        for name in sorted(_names(waiting.pop())):
            scope = next((scope for scope in reversed(scopes) if name in scope), {})
            for piece in scope.get(name, ()):
                if id(piece) not in reached and not _is_left_out(piece, scopes[0], is_left_out):
                    reached[id(piece)] = piece
                    waiting.append(piece)
    return list(reached.values())


def _is_left_out(
    piece: ast.AST, module: Mapping[str, list[ast.AST]], is_left_out: Callable[[str], bool]
) -> bool:
    if isinstance(piece, ast.ImportFrom):
        return all(is_left_out(name) for name in imported_names(piece))
    if not isinstance(piece, _Function):
        return False
    marks = [mark for decorator in piece.decorator_list for mark in _names(decorator)]
    imports = [found for mark in marks for found in module.get(mark, ()) if isinstance(found, ast.ImportFrom)]
    return any(is_left_out(str(found.module)) for found in imports)


def _bindings(statements: list[ast.stmt]) -> dict[str, list[ast.AST]]:
    """Map each name that the statements bind to the statements that bind it; of an import only its own part."""
    bound: dict[str, list[ast.AST]] = {}
    for statement in statements:
        for name, piece in _bound_by(statement):
            bound.setdefault(name, []).append(piece)
    return bound


def _bound_by(statement: ast.stmt) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            yield alias.asname or alias.name.split(".")[0], ast.Import(names=[alias])
    elif isinstance(statement, ast.ImportFrom):
        for alias in statement.names:
            part = ast.ImportFrom(module=statement.module, names=[alias], level=statement.level)
            yield alias.asname or alias.name, part
    elif isinstance(statement, _Function | ast.ClassDef):
        yield statement.name, statement
    else:
        yield from ((name, statement) for name in sorted(_changed_by(statement)))


def _changed_by(statement: ast.stmt) -> set[str]:
    """Names that a statement assigns, or whose objects it changes: `x = …`, `x.a = …`, `x[k] = …`, `x.append(…)`."""
    changed = set[str]()
    for node in ast.walk(statement):
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store):
            changed.update(_owner(node))
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            changed.update(_owner(node.value.func))
    return changed


def _owner(node: ast.expr) -> Iterator[str]:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    if isinstance(node, ast.Name):
        yield node.id


def _parameters(function: _Function) -> dict[str, list[ast.AST]]:
    arguments = function.args
    every = [
        *arguments.posonlyargs,
        *arguments.args,
        *arguments.kwonlyargs,
        arguments.vararg,
        arguments.kwarg,
    ]
    return {argument.arg: [argument] for argument in every if argument is not None}


def _names(node: ast.AST) -> set[str]:
    return {found.id for found in ast.walk(node) if isinstance(found, ast.Name)}
