"""Rotating a service key in the node's folder: the next key is made, certified by the root, and put in place.

1. `prepare`: why the key in use will sign no more is noted, and the next key is made. Nothing uses it yet.
2. `request` says what the root is to sign; `answer` signs it, wherever the root is kept.
3. `finish` checks the certificate and puts it in place. From then on the services go on by themselves: the registry
   announces the key on the trust stream, each service signs with it, and the registry retires the one before it.

What is lost if the process dies here: nothing. Each step finds what an earlier try has done, and goes on from there.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from shared.errors import Conflict, Malformed
from shared.home.folder import CERTIFIED, Home
from shared.home.generations import UNCERTIFIED, Reason
from shared.jose.keys import VerificationKey
from shared.jose.purpose import Purpose
from shared.jose.signers import LocalSigner, Signer
from shared.trust.certificates import CertificateRefused, ServiceKey, certify, kid_in, read_certificate

ROTATED = (*CERTIFIED, UNCERTIFIED)
"""The service keys, by name."""


class NothingPrepared(Conflict):
    """There is no key that waits for this certificate."""

    title = "No key was prepared for that."


class Request(BaseModel):
    """What the root is asked to certify: a key, what it is for, and what it signs. All of it is public."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    federation: str
    node: str
    service: str
    purpose: str
    streams: list[str] = Field(default_factory=list)
    epoch: int
    """The epoch of the chains that it signs: that of the key before it."""
    jwk: dict[str, str]


def prepare(home: Home, name: str, reason: Reason) -> LocalSigner:
    """Note why the key in use will sign no more, and make the next one, unless an earlier try has."""
    current = home.generations.of(name)[-1]
    purpose = Purpose.ACCESS_TOKEN if name == UNCERTIFIED else CERTIFIED[name][0]
    if name == UNCERTIFIED:  # the mark is what makes the next one count: it comes last
        made = home.keys.load_or_create(home.generations.next_name(name), purpose)
        home.generations.retire(current.name, reason)
        return made
    home.generations.retire(current.name, reason)
    return home.keys.load_or_create(home.generations.next_name(name), purpose)


def is_prepared(home: Home, name: str) -> bool:
    """Whether a next key was made that waits for its certificate."""
    return home.generations.next_name(name) in home.keys.names()


def request(home: Home, name: str, key: VerificationKey) -> Request:
    """What the root is to certify of a prepared key."""
    purpose, service, streams = CERTIFIED[name]
    return Request(
        federation=home.settings.federation,
        node=home.settings.node,
        service=service,
        purpose=purpose.value,
        streams=list(streams),
        epoch=_read(home, home.generations.of(name)[-1].certificate).epoch,
        jwk={member: str(value) for member, value in key.jwk().items()},
    )


def answer(root: Signer, asked: Request, now: datetime) -> str:
    """The root's certificate of what was asked; raises `Malformed` where the request asks for something else."""
    known = {(purpose.value, service, streams) for purpose, service, streams in CERTIFIED.values()}
    if (asked.purpose, asked.service, tuple(asked.streams)) not in known:
        raise Malformed("No service has such a key. Make the request with `testamur keys rotate`.")
    key = ServiceKey(
        node=asked.node,
        service=asked.service,
        key=VerificationKey.from_jwk(asked.jwk, Purpose(asked.purpose)),
        streams=frozenset(asked.streams),
        epoch=asked.epoch,
    )
    return certify(root, key, federation=asked.federation, issued=now)


def finish(home: Home, name: str, certificate: str) -> None:
    """Put the prepared key's certificate in place; raises `CertificateRefused` or `NothingPrepared` and changes nothing.

    One that is in place already changes nothing either.
    """
    if certificate in (one.certificate for one in home.generations.of(name)):
        return
    if not is_prepared(home, name):
        raise NothingPrepared("Begin with `testamur keys rotate` and --yes, and have the root certify what it prints.")
    waiting = home.generations.next_name(name)
    found, (purpose, service, streams) = _read(home, certificate), CERTIFIED[name]
    if kid_in(certificate) != home.keys.load(waiting).kid:
        raise CertificateRefused("It is of another key than the one that waits here. Have the root certify that one.")
    if (found.key.purpose, found.service, found.streams) != (purpose, service, frozenset(streams)):
        raise CertificateRefused("It is for another purpose than the key has. Have the root certify what was asked.")
    home.generations.certify(waiting, certificate)


def _read(home: Home, certificate: str) -> ServiceKey:
    return read_certificate(certificate, federation=home.settings.federation, node=home.node())
