"""Rules of shape: how long a file and a function may be, what must be documented, and what nothing is called."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.lints.source import Documented, Finding, Function, Source

FILE_LINES = 300
"""The longest file of the product."""
TEST_LINES = 400
"""The longest file of the tests."""
FUNCTION_LINES = 40
"""The longest function, its signature counted and its docstring not."""

PARAMETERS = 8
"""The most that a function takes; beyond, a frozen object whose members have names."""
TEST_NAME = 90
"""The longest name of a test, which is a sentence."""

_LAID_OUT_BY_A_FRAMEWORK = ("services/cli/", "tests/")
"""A command's options are its parameters, and a test's fixtures and drawn values are."""

_ROOMS_OF_ANYTHING = frozenset({"utils", "util", "helpers", "helper", "misc", "common", "manager", "managers"})
_NAMED = re.compile(r"`(\w+)`")
_VAGUE = re.compile(r"\w(Manager|Helper|Service|Util|Utils)$")


def file_is_short(source: Source) -> Iterator[Finding]:
    """A file has at most 300 lines, a test file 400; a longer one is split along a seam that a reader would name."""
    most = TEST_LINES if source.path.startswith("tests/") else FILE_LINES
    if source.is_python and len(source.lines) > most:
        yield Finding(most + 1, f"the file has {len(source.lines)} lines, {most} are the most")


def function_is_short(source: Source) -> Iterator[Finding]:
    """A function has at most 40 lines, without its decorators and its docstring."""
    for function in source.functions:
        length = (function.end_lineno or function.lineno) - function.lineno + 1 - _docstring_lines(function)
        if length > FUNCTION_LINES:
            yield Finding(function.lineno, f"{function.name} has {length} lines, {FUNCTION_LINES} are the most")


def function_takes_few(source: Source) -> Iterator[Finding]:
    """A function takes at most eight parameters, `self` not counted; a route's are the query it describes."""
    if source.path.startswith(_LAID_OUT_BY_A_FRAMEWORK) or source.path.endswith("/api.py"):
        return
    for function in source.functions:
        given = function.args
        names = [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs) if one.arg not in ("self", "cls")]
        if len(names) > PARAMETERS:
            yield Finding(function.lineno, f"{function.name} takes {len(names)} parameters, {PARAMETERS} are the most")


def sentence_is_short(source: Source) -> Iterator[Finding]:
    """A test's name can be read at once: at most 90 characters."""
    for function in source.functions if source.path.startswith("tests/") else ():
        if function.name.startswith("test_") and len(function.name) > TEST_NAME:
            yield Finding(function.lineno, f"{function.name} has {len(function.name)} characters, {TEST_NAME} are the most")


def module_is_introduced(source: Source) -> Iterator[Finding]:
    """A module that is not empty opens with a docstring that says its subject."""
    if source.tree.body and not ast.get_docstring(source.tree):
        yield Finding(1, "the module has no docstring that says its subject")


def package_names_what_is_in_it(source: Source) -> Iterator[Finding]:
    """The docstring of a package of the product names every module and package in it, in backticks: it is where one begins
    to read.
    """
    if source.is_product and source.beside:
        named = set(_NAMED.findall(ast.get_docstring(source.tree) or ""))
        missing = [name for name in source.beside if name not in named]
        if missing:
            yield Finding(1, f"the package's docstring does not name {', '.join(missing)}")


def public_name_is_documented(source: Source) -> Iterator[Finding]:
    """Each public class, function and method of the product has a docstring."""
    if source.is_product:
        for node in _public(source.tree.body):
            if not ast.get_docstring(node) and not _is_overload(node):
                yield Finding(node.lineno, f"{node.name} is public and has no docstring")


def name_says_something(source: Source) -> Iterator[Finding]:
    """No utils.py, and no manager, helper or service class: a name says what a thing is."""
    if source.is_python and source.path.rpartition("/")[2].removesuffix(".py") in _ROOMS_OF_ANYTHING:
        yield Finding(1, "the file's name says nothing of what is in it")
    for node in source.classes:
        if _VAGUE.search(node.name):
            yield Finding(node.lineno, f"the class name {node.name} ends in a word that says nothing")


def _docstring_lines(function: Function) -> int:
    first = function.body[0]
    return (first.end_lineno or first.lineno) - first.lineno + 1 if ast.get_docstring(function) is not None else 0


def _public(body: list[ast.stmt]) -> Iterator[Documented]:
    for node in body:
        if isinstance(node, Documented) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from _public(node.body)


def _is_overload(node: Documented) -> bool:
    return any(isinstance(one, ast.Name) and one.id in ("overload", "override") for one in node.decorator_list)
