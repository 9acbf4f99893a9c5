"""The small client that programs and the command line use: one node, over HTTP.

    from testamur import Client, ProblemError

    with Client("https://testamur.example.org", token) as node:
        report = node.verify(credential)         # {"verdict": "valid", "steps": [...], ...}
        node.revoke(ref, reason="error")

- A node whose services run in processes of their own has an address for each, unless a reverse proxy makes them one:
  `Client("registry=http://10.0.0.1:8401,issuer=http://10.0.0.2:8402", token)`. A path goes to the service of its first step.
- A refusal is a `ProblemError` that carries the problem document (RFC 9457); no answer at all is a `NodeUnreachable`.
- What makes or changes something is sent under an `Idempotency-Key`, so it is repeated safely when the connection breaks.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import httpx2

from shared.version import __version__

ANSWER_SECONDS = 30.0
"""Seconds to wait for an answer."""

COHORT_ANSWER_SECONDS = 600.0
"""Seconds to wait for a file of learners to be checked: ten thousand take several seconds."""

SERVICES = ("issuer", "registry", "verifier", "notifier")
"""The four services of a node, by the first step of their paths."""


class ProblemError(Exception):
    """The node answered, and refused. `document` is its problem document, `status` the HTTP status."""

    def __init__(self, status: int, document: Mapping[str, Any]) -> None:
        super().__init__(str(document.get("detail") or document.get("title") or f"HTTP status {status}"))
        self.status = status
        self.document = dict(document)

    @property
    def slug(self) -> str:
        """The type of problem in one word: `credential-already-revoked`."""
        return str(self.document.get("type", "")).rpartition("/")[2]

    @property
    def title(self) -> str:
        """What this type of problem is, in the same sentence every time."""
        return str(self.document.get("title", "The request was refused."))

    @property
    def detail(self) -> str:
        """What happened this time, and what to do next."""
        return str(self.document.get("detail", ""))


class NodeUnreachable(Exception):
    """The node did not answer: it is not running, or not at this address."""


def addresses(url: str) -> dict[str, str]:
    """The address by service: one for all of them, or those that `registry=http://...,issuer=http://...` names.

    Raises `NodeUnreachable` for a service that there is not, one named twice, or one without an address.
    """
    if not re.match(r"\s*[\w-]+\s*=", url):
        return dict.fromkeys(SERVICES, url.strip().rstrip("/"))
    found: dict[str, str] = {}
    for part in url.split(","):
        name, _, address = (piece.strip() for piece in part.partition("="))
        if name not in SERVICES or name in found or not address:
            known = ", ".join(SERVICES)
            raise NodeUnreachable(f"Name each of {known} at most once, with its address: registry=http://127.0.0.1:8401.")
        found[name] = address.rstrip("/")
    return found


class Client:
    """One node, as a program sees it. Answers are the JSON objects that `/docs` of each service describes."""

    def __init__(self, url: str, token: str | None = None, *, timeout: float = ANSWER_SECONDS) -> None:
        """`url` is the node's address, without a service's path, or each service's (see `addresses`); `token` an access
        token, where one is needed.
        """
        self.url = url.rstrip("/")
        self.addresses = addresses(url)
        headers = {"User-Agent": f"testamur/{__version__}"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self._http = httpx2.Client(headers=headers, timeout=timeout)

    def issue(self, institution: str, credential: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        """Issue a credential from a draft (the members of `examples/data-literacy.yaml`)."""
        return self.post("/issuer/credentials", {"institution": institution, "credential": credential, **more})

    def correct(self, ref: str, credential: Mapping[str, Any]) -> dict[str, Any]:
        """Issue a corrected credential in place of `ref`, which is then superseded."""
        return self.post(f"/issuer/credentials/{ref}/correct", {"credential": credential})

    def credential(self, ref: str) -> dict[str, Any]:
        """A credential as its issuer keeps it, signed form included."""
        kept: dict[str, Any] = self.get(f"/issuer/credentials/{ref}")
        return kept

    def status(self, ref: str) -> dict[str, Any]:
        """How a credential stands at its registry: registered, suspended, revoked; since when and why."""
        standing: dict[str, Any] = self.get(f"/registry/credentials/{ref}")
        return standing

    def revoke(self, ref: str, reason: str = "unspecified", **more: Any) -> dict[str, Any]:
        """Revoke a credential for good. Reasons: error, superseded, withdrawn, unspecified."""
        return self.post(f"/registry/credentials/{ref}/revoke", {"reason": reason, **more})

    def suspend(self, ref: str, **more: Any) -> dict[str, Any]:
        """Suspend a credential; with `until` it is reinstated by itself."""
        return self.post(f"/registry/credentials/{ref}/suspend", more)

    def reinstate(self, ref: str) -> dict[str, Any]:
        """End a suspension."""
        return self.post(f"/registry/credentials/{ref}/reinstate", {})

    def erase(self, ref: str) -> dict[str, Any]:
        """Erase what a credential says of its learner, for good; what its holder has still verifies."""
        return self.post(f"/issuer/credentials/{ref}/erase", {})

    def check_cohort(self, cohort: Mapping[str, Any]) -> dict[str, Any]:
        """The fault table of a file of learners: `institution`, `template`, `media_type`, and `file` in base64."""
        return self.post("/issuer/cohorts/check", cohort, key=False, timeout=COHORT_ANSWER_SECONDS)

    def issue_cohort(self, cohort: Mapping[str, Any]) -> dict[str, Any]:
        """Have a file of learners issued, all of it or nothing; the job goes on by itself."""
        return self.post("/issuer/cohorts", cohort, timeout=COHORT_ANSWER_SECONDS)

    def cohort(self, cohort: str) -> dict[str, Any]:
        """How far a cohort is."""
        stands: dict[str, Any] = self.get(f"/issuer/cohorts/{cohort}")
        return stands

    def cancel_cohort(self, cohort: str) -> dict[str, Any]:
        """Issue no more of a cohort; what was not issued can be read by nobody any more."""
        return self.post(f"/issuer/cohorts/{cohort}/cancel", {})

    def cohort_progress(self, cohort: str) -> Iterator[dict[str, Any]]:
        """How far a cohort is, told whenever it moves, until its job ends."""
        while True:
            for line in self.lines(f"/issuer/cohorts/{cohort}/progress"):
                if line.startswith('data: {"'):
                    stands = json.loads(line.removeprefix("data: "))
                    yield stands
                    if stands["ended"]:
                        return

    def cohort_result(self, cohort: str) -> Iterator[dict[str, Any]]:
        """What became of each row, in the file's order, with its signed credential."""
        for line in self.lines(f"/issuer/cohorts/{cohort}/result"):
            yield json.loads(line)

    def lines(self, path: str) -> Iterator[str]:
        """A stream's lines as they come; raises `ProblemError` or `NodeUnreachable`."""
        address = self._address(path)
        try:
            with self._http.stream("GET", f"{address}/{path.removeprefix('/')}") as answer:
                if not answer.is_success:
                    answer.read()
                    body = _json(answer)
                    raise ProblemError(answer.status_code, body if isinstance(body, dict) else _NOT_A_NODE)
                yield from answer.iter_lines()
        except (httpx2.TransportError, httpx2.InvalidURL, UnicodeError) as error:
            raise NodeUnreachable(f"No node answers at {address}.") from error

    def stack(
        self, institution: str, parts: Sequence[str], credential: Mapping[str, Any] | None = None, **more: Any
    ) -> dict[str, Any]:
        """Issue a larger credential from signed ones: this node's verifier says of each that it holds, the issuer stacks."""
        handed = [{"credential": part, "receipt": self._receipt(part)} for part in parts]
        body = {"institution": institution, "credential": credential or {}, "parts": handed, **more}
        return self.post("/issuer/credentials/stack", body)

    def verify(self, credential: str, **question: Any) -> dict[str, Any]:
        """The report on a signed credential; `as_of`, `known_at` (RFC 3339) and `country` make the question narrower."""
        return self.post("/verifier/verifications", {"credential": credential, **question}, key=False)

    def publish_offer(self, institution: str, offer: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """Offer a micro-credential (the members of `examples/offer.yaml`), or publish a new version of the offer."""
        return self.post("/registry/offers", {"institution": institution, "offer": offer, "document": document})

    def catalogue(self, **sought: Any) -> list[dict[str, Any]]:
        """What all nodes offer, by `text`, `eqf`, `ects_min`, `ects_max`, `isced_f`, `language`, `country`, ..."""
        return self.pages("/registry/catalogue", **sought)

    def institutions(self) -> list[dict[str, Any]]:
        """All accredited institutions of this node."""
        return self.pages("/registry/institutions")

    def get(self, path: str, **query: Any) -> Any:
        """Read one thing; raises `ProblemError` or `NodeUnreachable`."""
        return self.send("GET", path, params={name: value for name, value in query.items() if value is not None})

    def pages(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """Read a whole list, page after page."""
        items: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            page = self.get(path, cursor=cursor, **query)
            items += page["items"]
            cursor = page.get("next")
            if cursor is None:
                return items

    def post(self, path: str, body: Mapping[str, Any], *, key: bool = True, **request: Any) -> dict[str, Any]:
        """Ask for a change, under a new `Idempotency-Key` unless `key` is false; repeated once if the connection breaks."""
        headers = {"Idempotency-Key": str(uuid.uuid4())} if key else {}
        answer: dict[str, Any]
        try:
            answer = self.send("POST", path, json=dict(body), headers=headers, **request)
        except NodeUnreachable:
            answer = self.send("POST", path, json=dict(body), headers=headers, **request)
        return answer

    def send(self, method: str, path: str, **request: Any) -> Any:
        """One exchange: the answer's JSON, an empty object where there is no body."""
        address = self._address(path)
        try:
            answer = self._http.request(method, f"{address}/{path.removeprefix('/')}", **request)
        except httpx2.InvalidURL as error:
            raise NodeUnreachable(f"{address} is not the address of a node.") from error
        except (httpx2.TransportError, UnicodeError) as error:
            raise NodeUnreachable(f"No node answers at {address}.") from error
        body = _json(answer)
        if answer.is_success and body is not None:
            return body
        raise ProblemError(answer.status_code, body if isinstance(body, dict) else _NOT_A_NODE)

    def _receipt(self, credential: str) -> str:
        """What this node's verifier signs of a credential; nothing where it cannot be read, which the issuer tells."""
        return self.verify(credential, receipt=True)["receipt"] or "none"

    def _address(self, path: str) -> str:
        """Where a path is served; raises `NodeUnreachable` where that cannot be told."""
        service = path.removeprefix("/").partition("/")[0]
        if service in self.addresses:
            return self.addresses[service]
        if service in SERVICES:
            raise NodeUnreachable(f"No address of the {service} is given: add {service}=http://... to the others.")
        if len(known := set(self.addresses.values())) == 1:
            return known.pop()
        raise NodeUnreachable(f"Each service has an address of its own: begin the path with one, as in /registry{path}.")

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


_NOT_A_NODE = {"title": "The answer came from something else than a node.", "detail": "Check the address."}


def _json(answer: httpx2.Response) -> Any:
    """The answer's JSON, an empty object for an empty body, None for anything else."""
    try:
        return answer.json() if answer.content else {}
    except ValueError:
        return None
