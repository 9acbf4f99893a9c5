"""From a draft to a `MicroCredential`: complete, well formed and coherent, or every fault at once.

A draft is plain data that may lack anything; `written.read` makes one from a file, `formats.elm` from a foreign format.
A refusal names what is missing, what is malformed and what contradicts itself among all that could be read, each once, and
is called by the first of these that there is: that is the order in which a person mends them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError, create_model

from shared.clock import rfc3339
from shared.credential import coherence, completeness, faults, written
from shared.credential.completeness import ElementReport
from shared.credential.faults import Fault
from shared.credential.model import MicroCredential
from shared.credential.shorthand import expand
from shared.errors import Invalid

_PATH = re.compile(r"[a-z_]{1,40}(?:\.[A-Za-z0-9_-]{1,40}){0,7}")


class DraftRefused(Invalid):
    """422: why a draft is no credential. `missing` holds number, name, path and example of each mandatory element that is
    not there; `faults` path, rule, message and severity of all else.
    """

    title = "The draft is not a micro-credential yet."

    def __init__(self, missing: tuple[ElementReport, ...], found: tuple[Fault, ...], parts: Mapping[str, Any]) -> None:
        super().__init__(_told(missing, found), missing=_as_members(missing), faults=faults.as_members(found))
        self.missing, self.faults, self.parts = missing, found, parts
        """`parts` are the members that could be read, by name; None for the others."""

    def and_also(self, more: Iterable[Fault]) -> DraftRefused:
        """The same refusal with further faults, where nothing was said of their place yet."""
        said = {element.path for element in self.missing} | {fault.path for fault in self.faults}
        return type(self)(self.missing, (*self.faults, *(fault for fault in more if fault.path not in said)), self.parts)


class IncompleteCredential(DraftRefused):
    """422: mandatory elements are missing."""

    title = "The credential lacks mandatory elements of a European micro-credential."


class MalformedCredential(DraftRefused):
    """422: members have the wrong form, and nothing is missing."""

    title = "The credential has members of the wrong form."


class IncoherentCredential(DraftRefused):
    """422: what the credential says contradicts itself, and that is all."""

    title = "The credential contradicts itself."


class UnusableSetting(Invalid):
    """422: a `name=value` that sets nothing."""

    title = "That setting cannot be applied."


def apply_set(draft: Mapping[str, Any], setting: str) -> dict[str, Any]:
    """A copy of the draft with one member set: `workload.hours=52`, `quality_assurance={type: ..., agency: ...}`.

    The value is YAML; text that YAML would misread (a colon and a space) is put in quotes. Raises `UnusableSetting`.
    """
    path, equals, text = setting.partition("=")
    if not equals or not _PATH.fullmatch(path.strip()):
        raise UnusableSetting("Write a setting as path=value, for example workload.hours=52.")
    changed = dict(draft)
    here = changed
    *parents, last = path.strip().split(".")
    for step in parents:
        inner = here.get(step)
        if inner is not None and not isinstance(inner, Mapping):
            raise UnusableSetting("The path leads into a member that has no parts; set that member as a whole.")
        here[step] = dict(inner or {})
        here = here[step]
    here[last] = written.value(text)
    return changed


def build(
    draft: Mapping[str, Any],
    issued: datetime | None = None,
    policy: coherence.CoherencePolicy = coherence.DEFAULT_POLICY,
) -> MicroCredential:
    """The credential that a draft describes; `issued` is the date of issuing where the draft names none.

    Raises `IncompleteCredential`, `MalformedCredential` or `IncoherentCredential` with every fault; warnings stop nothing.
    """
    full = expand(draft)
    if issued is not None:
        full.setdefault("issued", rfc3339(issued))
    try:
        credential = MicroCredential.model_validate(full)
    except ValidationError as error:
        raise _refusal(full, error, policy) from None
    if found := _contradictions(vars(credential), policy):
        raise IncoherentCredential((), found, vars(credential))
    return credential


_Readable = create_model(
    "_Readable",
    __base__=MicroCredential,
    **{name: (field.rebuild_annotation() | None, None) for name, field in MicroCredential.model_fields.items()},  # type: ignore[call-overload]
)
"""A credential of which any member may be absent."""


def _refusal(full: dict[str, Any], error: ValidationError, policy: coherence.CoherencePolicy) -> DraftRefused:
    missing = completeness.missing_mandatory(full)
    malformed = [fault for fault in faults.from_validation(error) if not _is_of(fault, missing)]
    spoilt = {found["loc"][0] for found in error.errors(include_url=False, include_context=False, include_input=False)}
    parts = vars(_Readable.model_validate({name: value for name, value in full.items() if name not in spoilt}))
    kind = IncompleteCredential if missing else MalformedCredential
    return kind(missing, (*malformed, *_contradictions(parts, policy)), parts)


def _is_of(fault: Fault, missing: Iterable[ElementReport]) -> bool:
    """Whether a fault only says again that an element is missing."""
    return any(
        f"{fault.path}.".startswith(f"{element.path}.")
        or (fault.rule == "missing" and element.path.startswith(f"{fault.path}."))
        for element in missing
    )


def _contradictions(parts: Mapping[str, Any], policy: coherence.CoherencePolicy) -> tuple[Fault, ...]:
    return tuple(fault for fault in coherence.faults_of(parts, policy) if fault.severity == "error")


def _told(missing: tuple[ElementReport, ...], found: tuple[Fault, ...]) -> str:
    told = []
    if missing:
        named = "; ".join(f"{element.number} {element.name}, for example `{element.hint}`" for element in missing)
        told.append(f"Add the missing mandatory {'element' if len(missing) == 1 else 'elements'}: {named}.")
    if found:
        told.append(f"Correct: {faults.sentences(found)}.")
    return " ".join(told)


def _as_members(missing: tuple[ElementReport, ...]) -> list[dict[str, Any]]:
    return [
        {"number": element.number, "name": element.name, "path": element.path, "example": element.hint}
        for element in missing
    ]
