"""A node's folder: its keys, its root's certificates, and the federation list it goes by.

    home/passphrase            opens the keys, unless TESTAMUR_KEY_PASSPHRASE does (mode 0600)
    home/keys/*.jwe            root, anchor, the service keys, access-token, institution-*
    home/root.json             the public half of the root
    home/certificates/*.jwt    what the root says of each service key (public); `generations` says how one is rotated
    home/federation.json       the list as its anchors signed it (public)
    home/federation.version    the newest list that was ever in use here: its version, how many anchors it asks for, its
                               digest. An older one, and another of that version, are refused; the next needs as many
    home/anchors.json          whom this node lets sign the list, and how many must: pinned by hand, never learnt from a list

- An empty folder becomes a federation of one node under an anchor of its own; joining another is putting two files in place.
- After set-up the root and the anchor are needed only to certify and to sign lists: move their files to where no network is.
"""

from __future__ import annotations

import fcntl
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache, cached_property
from pathlib import Path

import orjson

from shared.errors import Misconfigured
from shared.home.generations import UNCERTIFIED, Generation, Generations, put
from shared.jose.keys import VerificationKey
from shared.jose.purpose import Purpose
from shared.jose.signers import LocalSigner
from shared.keys.file import KeyFile
from shared.settings import NodeSettings
from shared.trust import federation_list, pinned
from shared.trust.certificates import CertificateRefused, ServiceKey, certify, read_certificate
from shared.trust.federation_list import NO_LIST, RememberedList
from shared.trust.nodes import Anchor, FederationList, Node
from shared.trust.pinned import Pinned

CERTIFIED: Mapping[str, tuple[Purpose, str, tuple[str, ...]]] = {
    "registry": (Purpose.EVENT, "registry", ("trust", "status", "registrations")),
    "issuer": (Purpose.EVENT, "issuer", ("issuance",)),
    "catalogue": (Purpose.EVENT, "registry", ("catalogue",)),
    "checkpoint": (Purpose.CHECKPOINT, "registry", ("checkpoints",)),
    "status-list": (Purpose.STATUS_LIST, "registry", ()),
    "receipt": (Purpose.RECEIPT, "verifier", ()),
    "node-token": (Purpose.NODE_TOKEN, "registry", ()),
}
"""Service keys that the root certifies: purpose, service, and the streams they sign."""


_NEWEST = "federation.version"


@cache
def _opened(folder: Path, passphrase: str) -> KeyFile:
    """A key folder, opened once a process: stretching the passphrase is meant to be slow, and four services share it."""
    return KeyFile.open(folder, passphrase)


LIST_LIFETIME = timedelta(days=365)
"""How long a list that a node signs for itself is good."""


class Home:
    """One node's folder."""

    def __init__(self, settings: NodeSettings) -> None:
        self.settings = settings
        self.folder = Path(settings.home)
        self.generations = Generations(self.folder)
        self._loaded: dict[str, LocalSigner] = {}

    @cached_property
    def keys(self) -> KeyFile:
        """The encrypted key folder, made when it is not there."""
        return _opened((self.folder / "keys").resolve(), self._passphrase())

    def signer(self, name: str) -> LocalSigner:
        """A key of this node by its name, of a service key the newest; raises `Misconfigured` where it is missing."""
        if name != UNCERTIFIED and name not in CERTIFIED:
            return self.keys.load(name)
        found = self.generations.of(name)
        return self.load(found[-1].name if found else name)

    def load(self, name: str) -> LocalSigner:
        """The service key of that very file name, which is kept at hand: a file of that name never holds another."""
        if name not in self._loaded:
            self._loaded[name] = self.keys.load(name)
        return self._loaded[name]

    def certified(self, name: str) -> tuple[LocalSigner, str]:
        """A service key in use and what the root says of it, for what brings its certificate along."""
        newest = self.generations.of(name)[-1]
        return self.load(newest.name), newest.certificate

    def name_of(self, stream: str) -> str:
        """The name of the key that signs one of this node's streams."""
        return next(name for name, (_, _, streams) in CERTIFIED.items() if stream in streams)

    def set_up(self, now: datetime) -> None:
        """Make what is missing: keys, certificates, and a federation of one; what is there stays as it is. Processes that
        start at once take turns.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._turn():
            self.keys.load_or_create("access-token", Purpose.ACCESS_TOKEN)
            for name in CERTIFIED:
                self._certify(name, now)
            if not self.federation_file.exists():
                self._found(now)

    def certificates(self) -> dict[str, str]:
        """What the root says of each service key, by the key's name, earlier generations included; the registry's own event
        key comes first.
        """
        return {one.name: one.certificate for name in CERTIFIED for one in self.generations.of(name)}

    def believed(self, name: str) -> list[Generation]:
        """The generations that are believed outside any chain: all but the compromised ones that have a successor."""
        found = self.generations.of(name)
        return [one for one in found if one is found[-1] or one.retired != "compromised"]

    def node(self) -> Node:
        """This node as a federation list would name it; its jurisdiction is the country in its name."""
        country = self.settings.node[:2].upper()
        url = self.settings.public_url
        return Node(name=self.settings.node, jurisdictions=(country,), roots=(self._root(),), url=url)

    def join(self, signed_list: bytes, anchors: Mapping[str, VerificationKey], threshold: int = 1) -> None:
        """Go by another list from now on, under these anchors, `threshold` of whom must sign.

        Refused to a node that has signed for another federation.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._require_same_federation()
        if not self.pins_any(anchors):  # other anchors, chosen by hand, count their lists anew
            (self.folder / _NEWEST).unlink(missing_ok=True)
        put(self.folder / "anchors.json", Pinned(anchors, threshold).document())
        put(self.federation_file, signed_list)

    def pins_any(self, anchors: Iterable[str]) -> bool:
        """Whether this node pins one of these anchors already."""
        return (self.folder / "anchors.json").exists() and not self.pinned().anchors.keys().isdisjoint(anchors)

    @property
    def federation_file(self) -> Path:
        """Where the signed list lies."""
        return self.folder / "federation.json"

    @property
    def held(self) -> RememberedList:
        """What is remembered of the newest list that was ever in use here. The older form of the file is a version alone."""
        path = self.folder / _NEWEST
        if not path.exists():
            return NO_LIST
        try:
            version, *more = path.read_text().split()
            threshold, digest = more or ("1", "")
            return RememberedList(int(version), int(threshold), digest)
        except ValueError as error:
            raise Misconfigured(f"{path} holds no number: write the version of the newest federation list there.") from error

    def note_list(self, held: RememberedList) -> None:
        """Remember a list that is in use now."""
        before = self.held
        if held <= before:
            return
        try:
            put(self.folder / _NEWEST, f"{held.version} {held.threshold} {held.digest}\n".encode())
        except OSError:
            if held.version > before.version:
                raise  # a version that is noted already may go without its digest: an older form of this line had none

    def pinned(self) -> Pinned:
        """The anchors that this node pins, and how many of them must sign."""
        path = self.folder / "anchors.json"
        try:
            return pinned.read(path.read_bytes())
        except (OSError, ValueError) as error:
            raise Misconfigured(f"{path} cannot be read: put the federation's anchors.json there.") from error

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """One process at a time; a folder that cannot be written to needs no turns."""
        try:
            turn = (self.folder / ".set-up").open("a")
        except OSError:
            yield
            return
        with turn:
            fcntl.flock(turn, fcntl.LOCK_EX)  # let go of when the file is closed, or the process ends
            yield

    def _root(self) -> dict[str, str]:
        """The public half of the root, made with the root and kept beside it: the root itself may be offline."""
        path = self.folder / "root.json"
        if not path.exists():
            made_before = any(self.folder.glob("certificates/*.jwt"))
            root = self.signer("root") if made_before else self.keys.load_or_create("root", Purpose.ROOT)
            path.write_bytes(orjson.dumps(root.public_jwk, option=orjson.OPT_INDENT_2))
        public: dict[str, str] = orjson.loads(path.read_bytes())
        return public

    def _require_same_federation(self) -> None:
        """A node's certificates name its federation, and so does every entry it has signed: it cannot take them along."""
        for certificate in self.certificates().values():
            try:
                read_certificate(certificate, federation=self.settings.federation, node=self.node())
            except CertificateRefused:
                raise Misconfigured(
                    f"{self.folder} was set up for another federation."
                    " Join with a new folder, before `testamur init` and its first start."
                ) from None

    def _found(self, now: datetime) -> None:
        anchor = self.keys.load_or_create("anchor", Purpose.ANCHOR)
        one = FederationList(
            federation=self.settings.federation,
            version=1,
            issued=now,
            expires=now + LIST_LIFETIME,
            anchors=(Anchor(kid=anchor.kid, jwk=anchor.public_jwk),),
            nodes=(self.node(),),
        )
        self.join(federation_list.sign_list(one, [anchor]), {anchor.kid: anchor.verification_key()})

    def _certify(self, name: str, now: datetime) -> None:
        purpose, service, streams = CERTIFIED[name]
        key = self.keys.load_or_create(name, purpose)
        if self.generations.of(name):
            return
        self._root()
        service_key = ServiceKey(
            node=self.settings.node, service=service, key=key.verification_key(), streams=frozenset(streams)
        )
        statement = certify(self.signer("root"), service_key, federation=self.settings.federation, issued=now)
        self.generations.certify(name, statement)

    def _passphrase(self) -> str:
        if self.settings.key_passphrase is not None:
            return self.settings.key_passphrase.get_secret_value()
        path = self.folder / "passphrase"
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.touch(mode=0o600)
            path.write_text(secrets.token_urlsafe(32) + "\n")
        return path.read_text().strip()
