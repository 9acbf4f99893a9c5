"""An anchor's folder: its key, the draft of the list, and what it signed last.

    passphrase, keys/anchor.jwe     the key that signs (keep it offline)
    draft.json                      the nodes as they will be listed: signed by nobody
    federation.json  anchors.json   the list as signed, and whom to pin (public)

Nothing that was signed is ever lost from the list: each version names the digests of those before it.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import orjson

from shared.errors import Conflict, Misconfigured
from shared.events.entry import digest
from shared.ids import SLUG
from shared.jose.purpose import Purpose
from shared.jose.signers import LocalSigner
from shared.keys.file import KeyFile
from shared.trust import federation_list, pinned
from shared.trust.nodes import Anchor, EarlierList, FederationList, Node
from shared.trust.pinned import Pinned


class FederationExists(Conflict):
    """There is an anchor in that folder already."""

    title = "There is a federation in that folder already."


@dataclass(frozen=True, slots=True)
class AnchorFolder:
    """One anchor's folder, of one federation."""

    folder: Path
    name: str

    @classmethod
    def begin(cls, folder: Path, name: str) -> AnchorFolder:
        """A new anchor; raises `FederationExists` and leaves an older one as it is."""
        if not re.fullmatch(SLUG, name):
            raise Misconfigured("A federation's name is lower-case letters, digits and hyphens, such as europe.")
        if (folder / "draft.json").exists():
            raise FederationExists(f"{folder} holds one. Choose another --folder.")
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        passphrase = folder / "passphrase"
        passphrase.touch(mode=0o600)
        passphrase.write_text(secrets.token_urlsafe(32) + "\n")
        begun = cls(folder, name)
        begun._signer()
        begun._write({"federation": name, "nodes": []})
        return begun

    @classmethod
    def at(cls, folder: Path | None) -> AnchorFolder:
        """The anchor in that folder, or in the only `federation-*` here; raises `Misconfigured`."""
        found = [folder] if folder else [path.parent for path in Path().glob("federation-*/draft.json")]
        if len(found) != 1 or not (found[0] / "draft.json").exists():
            raise Misconfigured(
                "Which federation is meant? Name its folder with --folder, or make one with federation init."
            )
        return cls(found[0], orjson.loads((found[0] / "draft.json").read_bytes())["federation"])

    @classmethod
    def public(cls, folder: Path) -> AnchorFolder:
        """A folder of which only the signed list and the pinned anchors are read."""
        return cls(folder, "")

    def add(self, node: Node) -> None:
        """Put a node into the draft, in place of an entry of its name."""
        others = [one for one in self._nodes() if one.name != node.name]
        listed = [one.model_dump(mode="json", exclude_none=True) for one in (*others, node)]
        self._write({"federation": self.name, "nodes": listed})

    def sign(self, now: datetime, lifetime: timedelta) -> FederationList:
        """Sign the draft as the next version; what stood before is named in its history."""
        signer = self._signer()
        before = self.listed(now) if self._signed.exists() else None
        if before and max(before.threshold, self.pinned().threshold) > 1:
            raise Misconfigured("This federation's lists need several anchors to sign them, and here is one.")
        anchor = Anchor(kid=signer.kid, jwk=signer.public_jwk)
        listed = FederationList(
            federation=self.name,
            version=before.version + 1 if before else 1,
            issued=now,
            expires=now + lifetime,
            anchors=(anchor,),
            nodes=tuple(self._nodes()),
            history=(*before.history, _earlier(before)) if before else (),
        )
        self._signed.write_bytes(federation_list.sign_list(listed, [signer]))
        mine = Pinned({signer.kid: signer.verification_key()}, listed.threshold)
        (self.folder / "anchors.json").write_bytes(mine.document())
        return listed

    def listed(self, now: datetime) -> FederationList:
        """The signed list, checked against the anchors pinned beside it."""
        return federation_list.verify(self.signed(), pinned=self.pinned(), now=now).list

    def signed(self) -> bytes:
        """The list as it was signed, unchecked."""
        try:
            return self._signed.read_bytes()
        except OSError:
            raise Misconfigured(f"{self.folder} holds no signed list. Make one with `testamur federation sign`.") from None

    def pinned(self) -> Pinned:
        """The anchors pinned in the folder, and how many of them must sign."""
        path = self.folder / "anchors.json"
        try:
            return pinned.read(path.read_bytes())
        except (OSError, ValueError):
            raise Misconfigured(f"{path} cannot be read. Fetch it from the federation's anchor.") from None

    @property
    def _signed(self) -> Path:
        return self.folder / "federation.json"

    def _signer(self) -> LocalSigner:
        passphrase = (self.folder / "passphrase").read_text().strip()
        return KeyFile.open(self.folder / "keys", passphrase).load_or_create("anchor", Purpose.ANCHOR)

    def _nodes(self) -> list[Node]:
        draft = orjson.loads((self.folder / "draft.json").read_bytes())
        return [Node.model_validate_json(orjson.dumps(node)) for node in draft["nodes"]]

    def _write(self, draft: dict[str, object]) -> None:
        (self.folder / "draft.json").write_bytes(orjson.dumps(draft, option=orjson.OPT_INDENT_2))


def _earlier(before: FederationList) -> EarlierList:
    payload = before.model_dump_json(exclude_none=True).encode()
    return EarlierList(version=before.version, digest=digest(payload))
