"""A Kafka cluster's address as one URL, read into what the client libraries want to know.

    kafka://[user[:password]@]host[:port][,host[:port]...][/][?option=value&...]

- Options: `security` (plaintext, ssl, sasl_plaintext, sasl_ssl), `mechanism` (PLAIN, SCRAM-SHA-256, SCRAM-SHA-512), `ca`,
  `cert`, `key` (files in PEM), `replication` (copies of a topic that we make; unsaid, as many as the cluster
  can give, three at most).
- User and password are percent-encoded (RFC 3986, 2.1).
- Unsaid, it is the safe one: with a user `sasl_ssl` and SCRAM-SHA-512, with a file of TLS `ssl`, else `plaintext`.
- A fault is a sentence that never repeats the URL, for it may hold a password.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from typing import Any, NoReturn
from urllib.parse import parse_qsl, quote, unquote, urlencode

from shared.errors import Misconfigured

DEFAULT_PORT = 9092
"""Kafka's own."""

SECURITY = ("plaintext", "ssl", "sasl_plaintext", "sasl_ssl")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_TLS_FILES = ("ca", "cert", "key")
_OPTIONS = ("security", "mechanism", *_TLS_FILES, "replication")

_EXAMPLE = "kafka://broker.example.org:9092"
_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)(:(?P<port>[0-9]{1,5}))?")
_SPLIT = re.compile(r"(?P<authority>[^/?#]*)(?P<path>/?)(\?(?P<query>[^#]*))?")
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f-\x9f]")


@dataclass(frozen=True)
class KafkaUrl:
    """One cluster and how we show ourselves there."""

    bootstrap: str
    """`host:port,host:port`, each port said."""
    security: str = "plaintext"
    """One of `SECURITY`."""
    mechanism: str = ""
    """One of `MECHANISMS`; empty without a user."""
    user: str = ""
    password: str = field(default="", repr=False)
    ca: str = ""
    """A file of certificates to trust in place of the system's."""
    cert: str = ""
    """A file with our own certificate, where the brokers ask for one."""
    key: str = ""
    """Its private key, where that is in a file of its own."""
    replication: int | None = None
    """Copies of a topic that we make; None leaves it to what the cluster can give."""

    @classmethod
    def parse(cls, url: str) -> KafkaUrl:
        """Read the URL; `Misconfigured` with one sentence for the first fault."""
        if _UNPRINTABLE.search(url):
            _fault("holds a space or a control character; write it percent-encoded")
        scheme, _, rest = url.partition("://")
        found = _SPLIT.fullmatch(rest)
        if scheme != "kafka" or found is None:
            _fault(f"is not of the form {_EXAMPLE}")
        credentials, _, hosts = found["authority"].rpartition("@")
        user, _, password = credentials.partition(":")
        if "@" in found["authority"] and not user:
            _fault("has an @ and no user before it; write the user, or leave the @ out")
        options = _options(found["query"] or "")
        return cls(
            bootstrap=",".join(_address(host) for host in hosts.split(",")),
            user=_decoded(user),
            password=_decoded(password),
            replication=_number(options.pop("replication")) if "replication" in options else None,
            **_consistent(options, user=bool(user)),
        )

    @property
    def shown(self) -> str:
        """The URL without the password, for logs and people."""
        user = f"{quote(self.user, safe='')}@" if self.user else ""
        said = {name: str(value) for name in _OPTIONS if (value := getattr(self, name))}
        return f"kafka://{user}{self.bootstrap}?{urlencode(said, safe='/')}"

    def aiokafka(self) -> dict[str, Any]:
        """The keyword arguments that every client of aiokafka takes; `Misconfigured` when a file of TLS is not usable."""
        said: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap.split(","),
            "security_protocol": self.security.upper(),
        }
        if self.security.endswith("ssl"):
            said["ssl_context"] = self._tls()
        if self.user:
            said |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.user,
                "sasl_plain_password": self.password,
            }
        return said

    def librdkafka(self) -> dict[str, Any]:
        """The configuration that confluent-kafka takes."""
        said = {
            "bootstrap.servers": self.bootstrap,
            "security.protocol": self.security,
            "sasl.mechanism": self.mechanism,
            "sasl.username": self.user,
            "sasl.password": self.password,
            "ssl.ca.location": self.ca,
            "ssl.certificate.location": self.cert,
            "ssl.key.location": self.key or self.cert,
        }
        return {name: value for name, value in said.items() if value}

    def _tls(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.ca or None)
            if self.cert:
                # a key with a passphrase would be asked for on the terminal, where a service has none
                context.load_cert_chain(self.cert, self.key or None, password=lambda: "")
        except (OSError, ValueError):
            _fault("names a file under ca, cert or key that is not there or not PEM; correct its path")
        return context


def _fault(what: str) -> NoReturn:
    raise Misconfigured(f"TESTAMUR_BUS {what}.")


def _address(text: str) -> str:
    found = _HOST.fullmatch(text)
    if found is None:
        _fault(f"names no broker, or one that is not host or host:port; write it like {_EXAMPLE}")
    port = int(found["port"] or DEFAULT_PORT)
    if not 0 < port < 65536:
        _fault("names a port that is not between 1 and 65535; correct it")
    return f"{found['host']}:{port}"


def _decoded(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        _fault("has a user or password that is not UTF-8 once its percent signs are decoded; encode it anew")


def _options(query: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True, errors="strict") if query else []
    except ValueError:
        _fault("has options that are not written option=value&option=value; correct them")
    options = dict(pairs)
    if len(options) != len(pairs):
        _fault("says one option twice; leave one of them out")
    if not options.keys() <= set(_OPTIONS):
        _fault(f"has an option that does not exist here; there are {', '.join(_OPTIONS)}")
    if not all(options.values()) or any(_UNPRINTABLE.search(value.replace(" ", "")) for value in options.values()):
        _fault("has an option that is empty or holds a control character; correct it")
    return options


def _consistent(options: dict[str, str], *, user: bool) -> dict[str, str]:
    """The options as they go together, with what was left unsaid."""
    files = {name: options[name] for name in _TLS_FILES if name in options}
    security = options.get("security", "sasl_ssl" if user else "ssl" if files else "plaintext")
    mechanism = options.get("mechanism", "SCRAM-SHA-512" if user else "")
    if security not in SECURITY:
        _fault(f"has an unknown security; there are {', '.join(SECURITY)}")
    if user != security.startswith("sasl"):
        _fault("needs a user for security=sasl_..., and security=sasl_... for a user; add the one or remove the other")
    if mechanism and not user:
        _fault("names a mechanism and no user; add the user, or leave the mechanism out")
    if user and mechanism not in MECHANISMS:
        _fault(f"has an unknown mechanism; there are {', '.join(MECHANISMS)}")
    if files and not security.endswith("ssl"):
        _fault("names files for TLS and a security without it; use security=ssl or security=sasl_ssl")
    if "key" in files and "cert" not in files:
        _fault("names a key and no cert; name both")
    return {"security": security, "mechanism": mechanism, **files}


def _number(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,3}", text):
        _fault("has a replication that is not a whole number from 1; write the number of copies, such as replication=3")
    return int(text)
