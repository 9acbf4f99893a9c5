"""The official SHACL shapes of the European Learning Model, run over a document, from a folder and without the network.

Rules
- The folder holds what the Commission publishes: shapes (`EDC-generic-full.ttl` and what it imports) and the JSON-LD context
  (`edc-ap-context.jsonld`). A document names its profile in `credentialSchema`; where the folder lacks that, the generic one
  is run. Without a folder nothing is checked, and reports say so.
- Nothing is fetched: the document's contexts are replaced by the folder's and by the terms of the W3C model below, a context
  anywhere deeper is refused, and imports that the folder lacks are left out.
- Faults name class, property and rule; never a value or an id, for those are somebody's.
- JSON-LD drops members that its context lacks and joins nodes that share an id, so shapes see less than stands there:
  `elm_schema` is run beside them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from shared.errors import Misconfigured
from shared.formats.elm.linked_data import is_a, nodes, only_text
from shared.jose import strict_json

if TYPE_CHECKING:
    from rdflib import Graph
    from rdflib.term import Node as Term

CONTEXT_FILE = "edc-ap-context.jsonld"
GENERIC = "edc-generic-full"
"""The profile that every credential of the Europass platform meets."""

MOST_MEMBERS = 4_000
"""Members of a document that is looked at: the Commission's samples have under 1,000; each takes about a millisecond."""
MOST_FAULTS = 50
LARGEST_FILE = 2 * 1024 * 1024

_CRED = "https://www.w3.org/2018/credentials#"
_DATE_TIME = "http://www.w3.org/2001/XMLSchema#dateTime"
_LINKS = ("credentialSchema", "credentialStatus", "credentialSubject", "evidence", "holder", "issuer", "termsOfUse")
_TIMES = ("expirationDate", "issuanceDate", "issued", "validFrom", "validUntil")
W3C_TERMS: Mapping[str, Any] = {
    "id": "@id",
    "type": "@type",
    "VerifiableCredential": f"{_CRED}VerifiableCredential",
    **{name: {"@id": _CRED + name, "@type": "@id"} for name in _LINKS},
    **{name: {"@id": _CRED + name, "@type": _DATE_TIME} for name in _TIMES},
}
"""What the context of the Verifiable Credentials Data Model 1.1 (appendix B.1) makes of the members that ELM takes."""

_RULES = {
    "MinCount": "it lacks a property that the shapes demand",
    "MaxCount": "it has a property more often than the shapes allow",
    "Datatype": "the value is of another type than the shapes demand",
    "Class": "the value is of another class than the shapes demand",
    "NodeKind": "the value is a text where a node is demanded, or a node where a text is",
    "HasValue": "the value is not from the list that the shapes demand",
    "In": "the value is none of those that the shapes allow",
    "Node": "the value does not meet the shape that is demanded there",
    "UniqueLang": "two texts are in one language",
    "Pattern": "the value has another form than the shapes demand",
}
_OTHER = "it does not meet the shapes"
UNREADABLE = "it cannot be read as JSON-LD with the contexts in the folder"


class ShapesUnusable(Misconfigured):
    """500: shapes were asked for and cannot be run: the folder is not what it must be, or the extra is not installed."""

    title = "The SHACL shapes cannot be run."


class ShapeFault(NamedTuple):
    """One departure: the class of the node, its property (both local names, or empty), the rule, and what it says."""

    node: str
    property: str
    rule: str
    message: str


class ShapesReport(NamedTuple):
    """What the shapes have against a document: the files that were run, and the faults (at most `MOST_FAULTS`)."""

    shapes: tuple[str, ...]
    faults: tuple[ShapeFault, ...]


def prepare(folder: Path) -> None:
    """Read what every check needs. Raises `ShapesUnusable` where the folder or this installation cannot run any."""
    _require_installed()
    _shapes(folder, GENERIC)
    _context(folder)


def check(document: Mapping[str, Any], folder: Path) -> ShapesReport:
    """Run the shapes of `folder` over a document. Raises `ShapesUnusable`; never for what is in the document."""
    loaded, names = _shapes(folder, _profile(document, folder))
    if not _is_readable(document):
        return ShapesReport(names, (ShapeFault("", "", "unreadable", UNREADABLE),))
    data = _graph(document, _context(folder))
    if data is None:
        return ShapesReport(names, (ShapeFault("", "", "unreadable", UNREADABLE),))
    found = sorted(set(_run(data, loaded)))
    return ShapesReport(names, tuple(found[:MOST_FAULTS]))


def _profile(document: Mapping[str, Any], folder: Path) -> str:
    """The first profile that the document names and the folder has; else the generic one."""
    known = _files(folder)
    named = (only_text(schema, "id") or "" for schema in nodes(document, "credentialSchema"))
    return next((name for name in (_last(uri) for uri in named) if name in known), GENERIC)


def _is_readable(document: Mapping[str, Any]) -> bool:
    """Whether it is within limits and brings no context of its own along anywhere below the top."""
    if not is_a(document, "EuropeanDigitalCredential"):
        return False
    count, level = 0, [value for name, value in document.items() if name != "@context"]
    while level and count <= MOST_MEMBERS:
        count += len(level)
        if any(isinstance(value, dict) and "@context" in value for value in level):
            return False
        level = [inner for value in level for inner in _inside(value)]
    return count <= MOST_MEMBERS


def _inside(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _files(folder: Path) -> dict[str, Path]:
    return {path.stem.lower(): path for path in sorted(folder.glob("*.ttl"))}


def _last(uri: str) -> str:
    return uri.rstrip("/#").rpartition("/")[2].lower()


@lru_cache(maxsize=4)
def _context(folder: Path) -> Any:
    try:
        context = strict_json.loads(_read(folder / CONTEXT_FILE))["@context"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ShapesUnusable(f"The folder of shapes lacks a readable {CONTEXT_FILE}. Put the official one there.") from error
    return [W3C_TERMS, context]


@lru_cache(maxsize=16)
def _shapes(folder: Path, profile: str) -> tuple[Graph, tuple[str, ...]]:
    """The shapes of a profile with those that it imports, as far as the folder has them."""
    _require_installed()
    from rdflib import OWL, Graph

    known, graph = _files(folder), Graph()
    waiting, read = [profile], list[str]()
    while waiting:
        name = waiting.pop()
        if name not in known or name in read:
            continue
        try:
            graph.parse(data=_read(known[name]), format="turtle")
        except Exception as error:
            raise ShapesUnusable(f"{known[name].name} is no Turtle that can be read. Put the official one there.") from error
        read.append(name)
        waiting += [_last(str(imported)) for imported in graph.objects(None, OWL.imports)]
    if not read:
        raise ShapesUnusable("The folder holds no EDC-generic-full.ttl. Put the official shapes there.")
    return graph, tuple(known[name].stem for name in read)


def _require_installed() -> None:
    """An extra, since few installations need it and it is large."""
    if find_spec("pyshacl") is None:
        raise ShapesUnusable("Install the extra `testamur[shacl]` to run SHACL shapes.")


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        raw = file.read(LARGEST_FILE + 1)
    if len(raw) > LARGEST_FILE:
        raise ShapesUnusable(f"{path.name} is larger than any of the official files. Put the official one there.")
    return raw


def _graph(document: Mapping[str, Any], context: Any) -> Graph | None:
    from rdflib import Graph

    logging.getLogger("rdflib.term").disabled = True  # it would write ill-formed values, birth dates too, into the log
    graph = Graph()
    try:
        graph.parse(data=orjson.dumps({**document, "@context": context}), format="json-ld")
    except Exception:  # noqa: BLE001 - whatever the reader stumbles over, the document cannot be read as JSON-LD
        return None
    return graph


def _run(data: Graph, shapes: Graph) -> Iterator[ShapeFault]:
    import pyshacl
    from rdflib import RDF, SH, Graph

    _, report, _ = pyshacl.validate(data, shacl_graph=shapes, inference="none", do_owl_imports=False, advanced=False)
    if not isinstance(report, Graph):
        yield ShapeFault("", "", "unreadable", UNREADABLE)
        return
    ours = set(shapes.objects(None, SH.targetClass))  # a class that the document made up is not repeated
    for result in report.subjects(RDF.type, SH.ValidationResult):
        rule = _local(report.value(result, SH.sourceConstraintComponent)).removesuffix("ConstraintComponent")
        focus = report.value(result, SH.focusNode)
        kinds = sorted(_local(kind) for kind in data.objects(focus, RDF.type) if kind in ours) if focus is not None else []
        path = _local(report.value(result, SH.resultPath))
        yield ShapeFault(next(iter(kinds), ""), path, rule, _RULES.get(rule, _OTHER))


def _local(term: Term | None) -> str:
    """The local name of an IRI of the shapes; nothing for a path that is more than one property."""
    from rdflib import URIRef

    return str(term).replace("#", "/").rpartition("/")[2] if isinstance(term, URIRef) else ""
