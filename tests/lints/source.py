"""What a lint looks at: one file of the tree, its text and, for Python, its syntax tree and the full names it uses."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

ROOMS = ("shared", "services", "tests", "docs", "deploy", "examples", ".ci")
"""The folders that hold what we wrote."""

PACKAGE = "__init__.py"
"""The file that makes a folder a package, and introduces it."""

NO_TEXT = frozenset({".pyc", ".png", ".svg", ".ico", ".gz"})
"""Suffixes of files that nobody wrote as text."""

Function = ast.FunctionDef | ast.AsyncFunctionDef
Documented = Function | ast.ClassDef


class Finding(NamedTuple):
    """One breach of a rule: where, and a sentence."""

    line: int
    message: str


@dataclass(frozen=True)
class Source:
    """One file. `path` is relative to the root of the tree, with `/`. Of a package's own file, `beside` are the modules and
    packages in the same folder.
    """

    path: str
    text: str
    beside: tuple[str, ...] = ()
    tree: ast.Module = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tree", ast.parse(self.text if self.path.endswith(".py") else ""))

    @property
    def is_python(self) -> bool:
        """Whether it is a Python module."""
        return self.path.endswith(".py")

    @property
    def is_product(self) -> bool:
        """Whether it is part of what is installed, and not of what tests it."""
        return self.path.startswith(("shared/", "services/")) or self.path == "testamur.py"

    @cached_property
    def lines(self) -> list[str]:
        """Its lines, without their ends."""
        return self.text.splitlines()

    @cached_property
    def functions(self) -> list[Function]:
        """All functions and methods, nested ones too."""
        return [node for node in ast.walk(self.tree) if isinstance(node, Function)]

    @cached_property
    def classes(self) -> list[ast.ClassDef]:
        """All classes, nested ones too."""
        return [node for node in ast.walk(self.tree) if isinstance(node, ast.ClassDef)]

    @cached_property
    def imports(self) -> list[tuple[int, str]]:
        """Line and full name of everything imported; `from a import b` is `a.b`, and `import_module("a")` counts too."""
        return [*self._imported(), *self._imported_by_name()]

    @cached_property
    def names(self) -> list[tuple[int, str]]:
        """Line and full name of each name in use, aliases resolved: `from time import time as t; t()` is `time.time`."""
        aliases = dict(self._aliases())
        found = []
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Attribute | ast.Name):
                head, *rest = dotted(node).split(".")
                found.append((node.lineno, ".".join([aliases.get(head, head), *rest])))
        return found

    def _imported(self) -> Iterator[tuple[int, str]]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from ((node.lineno, f"{node.module or ''}.{alias.name}") for alias in node.names)

    def _imported_by_name(self) -> Iterator[tuple[int, str]]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call) and dotted(node.func).rpartition(".")[2] in ("import_module", "__import__"):
                yield from (
                    (node.lineno, one.value)
                    for one in node.args
                    if isinstance(one, ast.Constant) and isinstance(one.value, str)
                )

    def _aliases(self) -> Iterator[tuple[str, str]]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((alias.asname, alias.name) for alias in node.names if alias.asname)
            elif isinstance(node, ast.ImportFrom):
                yield from ((alias.asname or alias.name, f"{node.module or ''}.{alias.name}") for alias in node.names)


Lint = Callable[[Source], Iterator[Finding]]
"""A rule: a file in, its breaches out. Its docstring is the rule."""


def dotted(node: ast.expr) -> str:
    """`a.b.c` of an attribute chain; empty before the first name when the chain begins with something else."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def sources(root: Path) -> Iterator[Source]:
    """Every file that we wrote, in order of path; `.git` is a file where the checkout is one of several work trees."""
    rooms = (path for room in ROOMS for path in (root / room).rglob("*"))
    for path in sorted([*rooms, *root.glob("*")]):
        hidden = any(part.startswith(".") for part in path.relative_to(root).parts[1:])
        if path.is_file() and path.suffix not in NO_TEXT and not hidden and path.name != ".git":
            text = path.read_text("utf-8", errors="replace")
            yield Source(path.relative_to(root).as_posix(), text, _modules(path) if path.name == PACKAGE else ())


def _modules(package: Path) -> tuple[str, ...]:
    """The names of the modules and packages beside a package's own file."""
    beside = (path for path in package.parent.iterdir() if path.suffix == ".py" or (path / PACKAGE).is_file())
    return tuple(sorted(path.stem for path in beside if path.name not in (PACKAGE, "__main__.py")))
