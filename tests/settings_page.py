"""Render docs/settings.md from the settings classes: each variable with its type, default and meaning.

A meaning is the docstring of the field. A default that is made from others is shown for a node named `<node>` that sets
nothing else.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal, Union, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import NoDecode

from services.cli import remote
from services.issuer.settings import IssuerSettings
from services.notifier.settings import NotifierSettings
from services.registry.settings import RegistrySettings
from services.verifier.settings import VerifierSettings
from shared.settings import PREFIX, NodeSettings

SERVICES: Final = (RegistrySettings, IssuerSettings, VerifierSettings, NotifierSettings)
"""The settings of each service, which a whole node reads together."""

HEAD = """# Settings

Made from the code by `make docs`; a test fails when it is stale.

- Every setting is an environment variable. A wrong value stops the start with one sentence that names the variable. A
  variable that begins with `TESTAMUR_` and is not known is most likely misspelt, and warned about at the start.
- All processes of one node need the same `TESTAMUR_NODE`, `TESTAMUR_FEDERATION` and `TESTAMUR_PUBLIC_URL`.
- *JSON* means a JSON document, such as `'{"incomplete": "invalid"}'`, in quotes where a shell reads it.
- The command line reads the same variables. Options on a command win over them.
"""

FOOT = """
## Others

- The members of an entry of `TESTAMUR_AUTHORISATION_SERVERS` are in
  [operating.md](operating.md#outside-authorisation-servers); what `TESTAMUR_BUS` and `TESTAMUR_STORE` may hold is in
  [two URLs](operating.md#two-urls).
- `OTEL_EXPORTER_OTLP_ENDPOINT` sends traces to an OpenTelemetry collector where the extra `production` is installed.
  The other `OTEL_` variables of OpenTelemetry's SDK hold too, such as `OTEL_TRACES_SAMPLER`.
- `TESTAMUR_SHARED` and `TESTAMUR_TEST_...` are for the tests: see [CONTRIBUTING.md](../CONTRIBUTING.md#set-up).
"""

_COLUMNS = ("| variable | type | default | meaning |", "|---|---|---|---|")
_WORDS: Final[Mapping[Any, str]] = {
    str: "text",
    int: "whole number",
    float: "number",
    Path: "path",
    SecretStr: "secret text",
}
_BOUNDS: Final = (("gt", "above"), ("ge", "at least"), ("lt", "below"), ("le", "at most"), ("multiple_of", "a multiple of"))


def render() -> str:
    """The whole page, as the code says it now."""
    parts = [HEAD, *_section("The whole node", NodeSettings, NodeSettings.model_fields)]
    for settings in SERVICES:
        mine = {name: field for name, field in settings.model_fields.items() if name not in NodeSettings.model_fields}
        parts += _section(f"The {settings.__name__.removesuffix('Settings').lower()}", settings, mine)
    return "\n".join([*parts, *_command_line()]) + "\n" + FOOT


def _section(title: str, settings: type[NodeSettings], fields: Mapping[str, FieldInfo]) -> Iterator[str]:
    defaults: dict[str, Any] = {"node": "<node>"}
    for name, field in settings.model_fields.items():
        if not field.is_required():
            defaults[name] = field.get_default(call_default_factory=True, validated_data=defaults)
    yield from (f"## {title}", "", *_COLUMNS)
    for name, field in fields.items():
        default = "(required)" if field.is_required() else _written(defaults[name])
        yield f"| `{PREFIX}{name.upper()}` | {_type(field)} | {default} | {_meaning(field)} |"
    yield ""


def _type(field: FieldInfo) -> str:
    annotation = field.annotation
    if get_origin(annotation) in (Union, types.UnionType):
        annotation = next(one for one in get_args(annotation) if one is not type(None))
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{one}`" for one in get_args(annotation))
    kind = "list, `a,b,c`" if NoDecode in field.metadata else _WORDS.get(annotation, "JSON")
    bounds = (f"{words} {value:,}" for name, words in _BOUNDS if (value := _bound(field, name)) is not None)
    return ", ".join([kind, *bounds])


def _bound(field: FieldInfo, name: str) -> float | None:
    return next((value for one in field.metadata if (value := getattr(one, name, None)) is not None), None)


def _written(default: Any) -> str:
    if default is None or default in ((), {}):
        return "none"
    return f"`{list(default) if isinstance(default, tuple) else default}`"


def _meaning(field: FieldInfo) -> str:
    meaning = " ".join((field.description or "").split()).replace("|", "\\|")
    example = field.examples[0] if field.examples and _type(field) in ("JSON", "list, `a,b,c`") else None
    return f"{meaning} Example: `{example}`" if example else meaning


def _command_line() -> Iterator[str]:
    yield from ("## The command line", "", *_COLUMNS)
    for option in (remote.Url, remote.Token):
        described = get_args(option)[1]
        yield f"| `{described.envvar}` | text | none | {described.help} |"
