"""From a draft to a `MicroCredential`: complete, well formed and coherent, or every fault of one kind at once.

A draft is plain data that may lack anything; `written.read` makes one from a file, `formats.elm` from a foreign format.
The order of the refusals is the order in which a person mends them: what is missing, what is malformed, what contradicts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from shared.clock import rfc3339
from shared.credential import coherence, completeness, faults, written
from shared.credential.model import MicroCredential
from shared.credential.shorthand import expand
from shared.errors import Invalid

_PATH = re.compile(r"[a-z_]{1,40}(?:\.[A-Za-z0-9_-]{1,40}){0,7}")


class IncompleteCredential(Invalid):
    """422: mandatory elements are missing. `missing` holds number, name, path and example of each."""

    title = "The credential lacks mandatory elements of a European micro-credential."


class MalformedCredential(Invalid):
    """422: members have the wrong form. `faults` holds path, rule, message and severity of each."""

    title = "The credential has members of the wrong form."


class IncoherentCredential(Invalid):
    """422: what the credential says contradicts itself. `faults` holds path, rule, message and severity of each."""

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

    Raises `IncompleteCredential`, `MalformedCredential` or `IncoherentCredential`; warnings stop nothing.
    """
    full = expand(draft)
    if issued is not None:
        full.setdefault("issued", rfc3339(issued))
    try:
        credential = MicroCredential.model_validate(full)
        _require_complete(credential)
    except ValidationError as error:
        _require_complete(full)  # what is missing is said first, and whole
        found = faults.from_validation(error)
        raise MalformedCredential(f"Correct: {faults.sentences(found)}.", faults=faults.as_members(found)) from None
    _require_coherent(credential, policy)
    return credential


def _require_complete(credential: Mapping[str, Any] | MicroCredential) -> None:
    missing = completeness.missing_mandatory(credential)
    if missing:
        named = "; ".join(f"{element.number} {element.name}, for example `{element.hint}`" for element in missing)
        raise IncompleteCredential(
            f"Add the missing mandatory {'element' if len(missing) == 1 else 'elements'}: {named}.",
            missing=[
                {"number": element.number, "name": element.name, "path": element.path, "example": element.hint}
                for element in missing
            ],
        )


def _require_coherent(credential: MicroCredential, policy: coherence.CoherencePolicy) -> None:
    errors = [fault for fault in coherence.faults(credential, policy) if fault.severity == "error"]
    if errors:
        raise IncoherentCredential(f"Correct: {faults.sentences(errors)}.", faults=faults.as_members(errors))
