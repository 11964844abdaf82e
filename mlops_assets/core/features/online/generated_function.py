"""Functions whose source is written at start-up from declarations, and then runs without looking at those again.

A request of some forty features spends most of its processor time on loops, calls and tuples of an interpreter over
declarations, not on arithmetic; straight-line source has none of them. Only code that runs for every request is worth
it.
"""

import linecache
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

_NUMBERS = count()


class GeneratedFunction:
    """The source of one function, written line by line.

    Text of a declaration, such as a column's name, never becomes source: `name` gives a name to an object instead.
    """

    def __init__(self, name: str, parameters: Sequence[str]) -> None:
        self._name = name
        self._lines = [f"def {name}({', '.join(parameters)}):"]
        self._objects: dict[str, object] = {}

    def write(self, *lines: str) -> None:
        """Append statements to the body."""
        self._lines += [f"    {line}" for line in lines]

    def name(self, value: object) -> str:
        """A name under which the source can use an object: a constant or a function."""
        for name, known in self._objects.items():
            if known is value:
                return name
        name = f"constant_{len(self._objects)}"
        self._objects[name] = value
        return name

    @property
    def source(self) -> str:
        """What was written so far."""
        body = self._lines if len(self._lines) > 1 else [*self._lines, "    pass"]
        return "\n".join([*body, ""])

    def compiled(self) -> Callable[..., Any]:
        """The function; its lines show in tracebacks, profiles and debuggers."""
        source, path = self.source, f"<{self._name} {next(_NUMBERS)}>"
        linecache.cache[path] = (len(source), None, source.splitlines(keepends=True), path)
        exec(compile(source, path, "exec"), self._objects)  # noqa: S102 - of our own templates and names only
        return self._objects[self._name]  # pyright: ignore[reportReturnType]
