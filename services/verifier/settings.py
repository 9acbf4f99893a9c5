"""The verifier's own knobs: its policy. A policy hardens warnings; nothing softens an `invalid`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints, field_validator

from shared.credential.coherence import CoherencePolicy
from shared.errors import Misconfigured, TestamurError
from shared.formats.elm import shapes as elm_shapes
from shared.seals import trusted_list
from shared.seals.trusted_list import TrustedList
from shared.settings import NodeSettings
from shared.trust.accreditation import identifier
from shared.trust.identifiers import Decided
from shared.trust.nodes import NodeName
from shared.verification.policy import Policy
from shared.verification.verdict import Verdict

Claim = Annotated[str, StringConstraints(pattern=r"^[^:]+:.+$")]


class VerifierSettings(NodeSettings):
    """How this node judges. `TESTAMUR_MAX_AGE`, which all services share, says when knowledge is stale."""

    verifier_policy: str = Field(default="default", min_length=1, max_length=60, examples=["default"])
    """The policy's name, as reports show it."""
    verifier_hours_per_ects: tuple[float, float] = Field(default=(25.0, 30.0), examples=["[25, 30]"])
    """Between how many hours of work one ECTS credit may stand for."""
    verifier_hardened: dict[str, Verdict] = Field(default={}, examples=['{"incomplete": "invalid"}'])
    """Warnings that count harder here: by reason or step number, `invalid` or `indeterminate`."""

    verifier_identifiers: dict[Claim, NodeName] = Field(default={}, examples=['{"eter:EE0001": "ee"}'])
    """Whose claim stands here where two nodes claim one identifier: the node's name, by `scheme:value`."""

    verifier_trusted_lists: tuple[Path, ...] = Field(default=(), examples=['["/etc/testamur/lists/EE.xml"]'])
    """Files of national trusted lists (ETSI TS 119 612), by which the sealers of Europass files are known."""
    verifier_elm_shapes: Path | None = Field(default=None, examples=["/etc/testamur/shapes"])
    """A folder with the official SHACL shapes and context of the European Learning Model, to run over sealed files.
    It takes a tenth of a second a file, and up to some seconds for a hostile one."""

    @field_validator("verifier_hours_per_ects")
    @classmethod
    def _in_order(cls, band: tuple[float, float]) -> tuple[float, float]:
        if not 0 < band[0] <= band[1] < float("inf"):
            raise ValueError("it is not a smaller number above 0 and a larger one")
        return band

    def policy(self) -> Policy:
        """The policy that these make; raises `PolicySoftens` (`Misconfigured`) for one that would soften anything."""
        hardened = {int(key) if key.isdecimal() else key: verdict for key, verdict in self.verifier_hardened.items()}
        coherence = CoherencePolicy(hours_per_ects=self.verifier_hours_per_ects)
        return Policy(name=self.verifier_policy, max_age=float(self.max_age), coherence=coherence, hardened=hardened)

    def decided(self) -> Decided:
        """Whose claim stands, by identifier in the form in which claims are compared."""
        split = ((claim.partition(":"), node) for claim, node in self.verifier_identifiers.items())
        return {identifier(scheme, value): node for (scheme, _, value), node in split}

    def trusted_lists(self) -> tuple[TrustedList, ...]:
        """The lists in these files; raises `Misconfigured` for one that cannot be read."""
        return tuple(_read_list(path) for path in self.verifier_trusted_lists)

    def shapes(self) -> Path | None:
        """The folder of shapes; raises `ShapesUnusable` (`Misconfigured`) where they cannot be run."""
        if self.verifier_elm_shapes is not None:
            elm_shapes.prepare(self.verifier_elm_shapes)
        return self.verifier_elm_shapes

    @classmethod
    def of(cls, settings: NodeSettings) -> VerifierSettings:
        """A node's settings with the verifier's own added from the environment."""
        return settings if isinstance(settings, cls) else cls.load(**dict(settings))


def _read_list(path: Path) -> TrustedList:
    try:
        return trusted_list.read(path.read_bytes())
    except (OSError, TestamurError) as error:
        raise Misconfigured(
            f"{path} is no trusted list that can be read. Correct TESTAMUR_VERIFIER_TRUSTED_LISTS."
        ) from error
