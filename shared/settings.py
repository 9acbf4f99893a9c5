"""The environment becomes typed settings: every knob that a whole node shares, each with its default and its reason.

- A variable is `TESTAMUR_` and the field's name in capitals: `TESTAMUR_PORT=8400`. Keyword arguments win over variables.
- A store and a bus are each one URL, so a small node and a large one differ in two lines.
- A wrong value is one sentence that names the variable (`Misconfigured`), never a traceback, and never repeats the value.

Services subclass `NodeSettings` and add their own knobs.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from shared.errors import Misconfigured
from shared.ids import NODE_NAME, SLUG, service_urn

PREFIX = "TESTAMUR_"
"""All our variables begin like this."""

OUTSIDE = frozenset({"TESTAMUR_SHARED"})
"""Variables that are ours but no setting of a node: where the tests find their data."""

CommaSeparated = Annotated[tuple[str, ...], NoDecode]
"""A list that is written `a,b,c` in the environment."""


class AuthorisationServer(BaseModel):
    """An outside OAuth 2 server whose access tokens (RFC 9068) are taken here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: str = Field(min_length=1, max_length=300)
    """The `iss` of its tokens, compared exactly."""
    jwks_uri: str | None = None
    """Where its keys are fetched; https, unless `TESTAMUR_FETCH_ALLOW` names the host."""
    jwks_file: Path | None = None
    """A file that holds its keys, for a server that cannot be reached from here."""
    audience: str | None = None
    """The `aud` that its tokens must name; by default this node's own, `urn:testamur:<federation>:<node>`."""
    institutions: tuple[str, ...] | None = None
    """The institutions that its tokens may act for, `*` for tokens that act for all; by default whatever they name."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.jwks_uri is None) == (self.jwks_file is None):
            raise ValueError("each authorisation server needs either jwks_uri or jwks_file")
        return self


class NodeSettings(BaseSettings):
    """What every service of a node needs to know. Read it with `load`, which words its complaints for a person."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )

    node: str = Field(pattern=f"^(?:{NODE_NAME})$", examples=["ee"])
    """This node's name in the federation list, such as `ee` or `be-fr`."""
    federation: str = Field(default="testamur", pattern=f"^(?:{SLUG})$", examples=["testamur"])
    """The federation that the node belongs to; part of every name it signs."""
    home: Path = Field(default_factory=lambda given: Path(f"testamur-{given['node']}"), examples=["/var/lib/testamur"])
    """The folder that holds keys and, with the embedded default, all data."""
    store: str = Field(default_factory=lambda given: f"sqlite:///{given['home']}/data", examples=["sqlite:///data"])
    """Where documents live, as a URL: `sqlite:` or `mongodb:`."""
    bus: str = Field(default_factory=lambda given: f"sqlite:///{given['home']}/data", examples=["sqlite:///data"])
    """How events travel, as a URL: `sqlite:` or `kafka:`."""
    store_password: SecretStr | None = Field(default=None, examples=["(a long secret)"])
    """The password of the user in `TESTAMUR_STORE`, so that the URL need not hold it."""
    bus_password: SecretStr | None = Field(default=None, examples=["(a long secret)"])
    """The password of the user in `TESTAMUR_BUS`."""
    mirrored: CommaSeparated = Field(default=(), examples=["pt,fi"])
    """Nodes whose topics a mirror brings to this node's bus. Over HTTP they are asked only how far their logs have come,
    and for what the mirror did not bring.
    """

    host: str = Field(default="127.0.0.1", examples=["127.0.0.1"])
    """The address to listen on; only this machine until it is set otherwise."""
    port: int = Field(default=8400, ge=0, le=65535, examples=[8400])
    """The port to listen on; 0 takes any free one."""
    public_url: str = Field(
        default_factory=lambda given: f"http://{given['host']}:{given['port']}",
        pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$",
        examples=["https://testamur.example.org"],
    )
    """How others reach this node; it is written into what the node signs and publishes."""
    trusted_proxies: CommaSeparated = Field(default=(), examples=["10.0.0.2"])
    """Addresses of reverse proxies whose `X-Forwarded-For` is believed."""
    fetch_allow: CommaSeparated = Field(default=(), examples=["localhost:8401"])
    """Hosts (`host:port`) and networks (CIDR) that may be fetched by plain http or at private addresses; for development."""

    max_age: int = Field(default=900, ge=1, examples=[900])
    """Seconds after which knowledge of another node counts as stale."""
    checkpoint_interval: int = Field(default=60, ge=1, examples=[60])
    """Seconds between checkpoints of a quiet node."""

    key_passphrase: SecretStr | None = Field(default=None, examples=["(a long secret)"])
    """Opens the encrypted key folder; without it, the file `passphrase` in that folder does."""
    authorisation_servers: tuple[AuthorisationServer, ...] = Field(
        default=(), examples=['[{"issuer": "https://id.example.org", "jwks_uri": "https://id.example.org/jwks"}]']
    )
    """Whose access tokens are taken besides the node's own, as a JSON list."""

    max_body_bytes: int = Field(default=256 * 1024, ge=1024, examples=[262144])
    """The largest request body; a larger one is refused before it is read to its end."""
    rate_per_second: float = Field(default=100.0, gt=0, allow_inf_nan=False, examples=[100])
    """Requests a second that one caller with a token may make over time."""
    rate_burst: int = Field(default=400, ge=1, examples=[400])
    """Requests that such a caller may make at once after a pause."""
    anonymous_rate_per_second: float = Field(default=20.0, gt=0, allow_inf_nan=False, examples=[20])
    """Requests a second from one address without a token that holds."""
    anonymous_rate_burst: int = Field(default=80, ge=1, examples=[80])
    """Requests at once from such an address."""

    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", examples=["info"])
    """The least important log line that is written."""
    log_format: Literal["auto", "json", "console"] = Field(default="auto", examples=["json"])
    """JSON lines, coloured text, or whichever suits where the log goes."""

    @field_validator("trusted_proxies", "fetch_allow", "mirrored", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @classmethod
    def load(cls, **given: Any) -> Self:
        """Read keyword arguments, then the environment; raises `Misconfigured` with one sentence for the first fault."""
        try:
            return cls(**given)
        except ValidationError as error:
            raise Misconfigured(_sentence(cls, error)) from None
        except SettingsError:
            raise Misconfigured(_not_json(cls)) from None

    @property
    def store_url(self) -> str:
        """The store's URL with its password; not for a log."""
        return _with_password(self.store, self.store_password, "TESTAMUR_STORE")

    @property
    def bus_url(self) -> str:
        """The bus's URL with its password; not for a log."""
        return _with_password(self.bus, self.bus_password, "TESTAMUR_BUS")

    @property
    def audience(self) -> str:
        """What an access token for this node names as its audience."""
        return f"urn:testamur:{self.federation}:{self.node}"

    def source(self, service: str) -> str:
        """The URN of one of this node's services."""
        return service_urn(self.federation, self.node, service)


def unknown_variables(known: Iterable[type[NodeSettings]], environment: Mapping[str, str] | None = None) -> list[str]:
    """The `TESTAMUR_` variables that no given settings class has: most likely a misspelling, worth a warning at start."""
    names = {PREFIX + field.upper() for settings in known for field in settings.model_fields} | OUTSIDE
    present = os.environ if environment is None else environment
    return sorted(name for name in present if name.startswith(PREFIX) and name not in names)


def _with_password(url: str, password: SecretStr | None, variable: str) -> str:
    """The URL with a password put behind its user name."""
    if password is None:
        return url
    scheme, _, rest = url.partition("://")
    user, at, place = rest.partition("@")
    if not at or not user or ":" in user or "/" in user:
        raise Misconfigured(f"{variable}_PASSWORD needs a user name without a password in {variable}: scheme://user@host.")
    return f"{scheme}://{user}:{quote(password.get_secret_value(), safe='')}@{place}"


def _sentence(settings: type[NodeSettings], error: ValidationError) -> str:
    fault = next(one for one in error.errors(include_input=False) if one["type"] != "default_factory_not_called")
    field = str(fault["loc"][0]) if fault["loc"] else ""
    variable = PREFIX + field.upper()
    if fault["type"] == "extra_forbidden":
        return f"There is no setting {field}. Correct its name, or leave it out."
    if fault["type"] == "missing":
        return f"{variable} is not set. Set it, for example to {_example(settings, field)}."
    return f"{variable} is not usable: {fault['msg'].removeprefix('Value error, ')}. Try {_example(settings, field)}."


def _not_json(settings: type[NodeSettings]) -> str:
    variable = PREFIX + "AUTHORISATION_SERVERS"
    return f"{variable} is not JSON. Try {_example(settings, 'authorisation_servers')}."


def _example(settings: type[NodeSettings], field: str) -> str:
    described = settings.model_fields.get(field)
    return str(described.examples[0]) if described and described.examples else "its documented default"
