"""What is cited is there: functions that a page names, files and headings that it links, sections that the code names."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.shared_data import ROOT

PAGES = sorted(path.relative_to(ROOT).as_posix() for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")))
"""Every page for people."""

DEFINED = re.compile(r"(?:`(?P<path>[\w./-]+\.py)|\]\((?P<link>[^)\s]+\.py)\)`|`)::(?P<name>[\w.]+)`")
"""How a page names a definition: by a path from the root, by a link to the file, or by neither: in the file named last."""

LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
SPAN = re.compile(r"`(?:[^`\n]|\n(?!\n))+`")
FENCED = re.compile(r"^( *)(```|~~~).*?^\1\2", re.MULTILINE | re.DOTALL)
TITLED = re.compile(r"\[([^\]]*)\]\([^)]*\)")

CODE = sorted(path for folder in ("shared", "services", "tests") for path in ROOT.glob(f"{folder}/**/*.py"))
"""What may cite the protocol, beside `testamur.py`."""

CITING = re.compile(
    r"\bprotocol(?:\.md)?\W{0,3}\s+sections?\b\s*\w*|\bsections? \w+ of (?:the|our) protocol\b", re.IGNORECASE
)
"""Anything that looks like a citation of the protocol, in whatever form."""

CITED = re.compile(r"protocol(?:\.md)?, section (\d+)")
"""The one form: a comma, and one number of a heading."""


def _targets(node: ast.AST) -> Iterator[str]:
    """The names that one statement gives to values."""
    aims = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    yield from (aim.id for aim in aims if isinstance(aim, ast.Name))


def _defined(body: Iterable[ast.AST], inside: str = "") -> Iterator[str]:
    """Everything defined in a body, nested definitions too, each by its names from the outermost in: `Class.method`."""
    for node in body:
        yield from (f"{inside}{name}" for name in _targets(node))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield f"{inside}{node.name}"
            yield from _defined(node.body, f"{inside}{node.name}.")
        elif isinstance(node, ast.If | ast.With | ast.AsyncWith | ast.Try | ast.For | ast.While):
            yield from _defined(ast.iter_child_nodes(node), inside)


@cache
def definitions(path: Path) -> frozenset[str]:
    """The definitions of a file, each by every ending of its full name; of a file that is not there, none."""
    names = [name.split(".") for name in _defined(ast.parse(path.read_text()).body)] if path.is_file() else []
    return frozenset(".".join(parts[start:]) for parts in names for start in range(len(parts)))


def lost_definitions(text: str, page: Path) -> list[str]:
    """The definitions that a page's text names and that are not there."""
    lost, file = [], ROOT / "no file named before"
    for found in DEFINED.finditer(text):
        if found["path"] or found["link"]:
            file = ROOT / found["path"] if found["path"] else page.parent / found["link"]
        if found["name"] not in definitions(file.resolve()):
            lost.append(f"{file.name}::{found['name']}")
    return lost


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as they are made where the repository is shown."""
    titles = [TITLED.sub(r"\1", title).lower() for title in HEADING.findall(FENCED.sub("", text))]
    slugs = [re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles]
    before = [slugs[:place].count(slug) for place, slug in enumerate(slugs)]
    return {f"{slug}-{times}" if times else slug for slug, times in zip(slugs, before, strict=True)}


def lost_links(text: str, page: Path) -> list[str]:
    """The relative links of a page's text that lead to no file, or to no heading of it."""
    return [link for link in LINK.findall(SPAN.sub("", FENCED.sub("", text))) if ":" not in link and not _leads(link, page)]


def _leads(link: str, page: Path) -> bool:
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    return target.exists() and (not anchor or (target.suffix == ".md" and anchor in anchors(target.read_text())))


def sections() -> list[str]:
    """The numbers of the protocol's headings."""
    return re.findall(r"^## (\d+)\. ", (ROOT / "docs/protocol.md").read_text(), re.MULTILINE)


def citations(text: str) -> list[str]:
    """What of a file's text cites the protocol, line breaks taken out."""
    return CITING.findall(re.sub(r"\s*\n\s*(?:# ?)?", " ", text))


def lost_sections(text: str) -> list[str]:
    """The citations of a file's text that name no section of the protocol, or name it in another form."""
    forms = ((cited, CITED.fullmatch(cited)) for cited in citations(text))
    return [cited for cited, form in forms if form is None or form[1] not in sections()]


@pytest.mark.parametrize("page", PAGES)
def test_every_definition_that_a_page_names_is_there(page: str) -> None:
    assert lost_definitions((ROOT / page).read_text(), ROOT / page) == []


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_leads_somewhere(page: str) -> None:
    assert lost_links((ROOT / page).read_text(), ROOT / page) == []


def test_no_definition_is_named_in_another_way() -> None:
    assert [page for page in PAGES if "::" in DEFINED.sub("", (ROOT / page).read_text())] == []
    assert len(DEFINED.findall((ROOT / "docs/life-of-a-credential.md").read_text())) > 50


def test_a_name_that_is_not_defined_a_method_of_another_class_and_a_lost_file_are_each_found() -> None:
    here = f"`{Path(__file__).relative_to(ROOT).as_posix()}::"
    good = f"{here}PAGES` {here}definitions` [`x`](tests/contract/test_citations.py)`::anchors`, `::lost_links`"
    assert lost_definitions(good, ROOT / "README.md") == []
    bad = f"{here}nowhere` {here}Path.definitions` `shared/nowhere.py::definitions` [`x`](docs/nowhere.py)`::a`, `::b`"
    found = ["test_citations.py::nowhere", "test_citations.py::Path.definitions"]
    assert lost_definitions(bad, ROOT / "README.md") == [*found, "nowhere.py::definitions", "nowhere.py::a", "nowhere.py::b"]


def test_methods_constants_and_what_is_nested_are_definitions_and_what_is_only_used_is_not(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("A = 1\nclass B:\n    c: int = A\n    def d(self):\n        def e(): print(1)\n")
    assert definitions(tmp_path / "one.py") == {"A", "B", "B.c", "c", "B.d", "d", "B.d.e", "d.e", "e"}


def test_a_link_to_no_file_and_one_to_no_heading_are_found_and_code_is_no_link(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One `two`: [three](x.md), four\n\n## Same\n\n## Same\n\n```\n# no heading\n[a](b)\n```\n")
    good = "[a](page.md) [b](page.md#one-two-three-four) [c](#same) [d](#same-1) [e](https://example.org/#x)"
    assert lost_links(good, page) == []
    assert lost_links("`[a-z](b)?` and `[c\nd](e)` [`f`](page.md)`::g`", page) == []
    bad = "[a](pages.md) [b](page.md#one-two) [c](#same-2) [d](#no-heading)"
    assert lost_links(bad, page) == ["pages.md", "page.md#one-two", "#same-2", "#no-heading"]
    assert lost_links(page.read_text(), page) == ["x.md"]


def test_every_section_of_the_protocol_that_the_code_names_is_a_heading_of_its_page() -> None:
    texts = {path.relative_to(ROOT).as_posix(): path.read_text() for path in (*CODE, ROOT / "testamur.py")}
    assert {path: lost for path, text in texts.items() if (lost := lost_sections(text))} == {}
    assert sum(len(citations(text)) for text in texts.values()) > 10
    assert sections() == list("123456789")


def test_a_section_that_is_not_there_and_every_other_form_of_a_citation_are_found() -> None:
    good = ("protocol, {} 3, T1).", "docs/protocol.md, {} 2, says", "the protocol,\n    # {} 9")
    bad = ("protocol, {} 10", "protocol {} 3", "protocol, {}s 3 and 4", "protocol, {} three", "{} 3 of the protocol")
    assert [lost_sections(text.format("section")) for text in good] == [[], [], []]
    assert [len(lost_sections(text.format("section"))) for text in bad] == [1, 1, 1, 1, 1]
