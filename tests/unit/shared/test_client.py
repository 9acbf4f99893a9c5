"""The client finds each service: at the node's one address, or at those of services that run in processes of their own."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from services.cli import app as command
from services.cli.exit_codes import Code
from services.cli.remote import connect
from shared.client import SERVICES, Client, NodeUnreachable, addresses
from shared.clock import SystemClock
from shared.errors import Misconfigured
from shared.home.folder import Home
from shared.settings import NodeSettings


@contextmanager
def answering(name: str) -> Iterator[str]:
    """A server that answers whatever it is asked with its own name, the path and the token that came."""

    class Echo(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told = {"name": name, "path": self.path, "token": self.headers.get("Authorization")}
            body = json.dumps(told).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def places() -> Iterator[dict[str, str]]:
    """Four services, each at an address of its own."""
    with ExitStack() as running:
        yield {name: running.enter_context(answering(name)) for name in SERVICES}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NodeSettings:
    """A node's folder at hand, of a node that is listed at http://registry:8401."""
    monkeypatch.chdir(tmp_path)
    settings = NodeSettings.load(node="ee", home=tmp_path / "testamur-ee", public_url="http://registry:8401")
    Home(settings).set_up(SystemClock().now())
    return settings


def written(places: dict[str, str]) -> str:
    return ",".join(f"{name}={address}" for name, address in places.items())


def test_one_address_is_that_of_every_service() -> None:
    assert addresses("http://127.0.0.1:8400/") == dict.fromkeys(SERVICES, "http://127.0.0.1:8400")
    assert addresses("https://example.org/node?x=y")["issuer"] == "https://example.org/node?x=y"


def test_a_path_goes_to_the_service_that_its_first_step_names(places: dict[str, str]) -> None:
    with Client(written(places)) as node:
        for name in SERVICES:
            assert node.get(f"/{name}/readyz") == {"name": name, "path": f"/{name}/readyz", "token": None}


def test_the_address_of_a_whole_node_may_have_a_path_of_its_own(places: dict[str, str]) -> None:
    with Client(places["registry"] + "/nodes/ee/", "secret") as node:
        found = node.get("/issuer/credentials", limit=1)
        assert found["path"] == "/nodes/ee/issuer/credentials?limit=1"
        assert found["token"] == "Bearer secret"
        assert node.get("/")["path"] == "/nodes/ee/"


def test_a_service_without_an_address_is_named_and_how_to_give_it(places: dict[str, str]) -> None:
    with Client(f"registry={places['registry']}") as node:
        assert node.get("/healthz")["name"] == "registry"
        with pytest.raises(NodeUnreachable, match="issuer=http://"):
            node.get("/issuer/credentials")


def test_a_path_of_no_service_is_refused_where_there_is_more_than_one_address(places: dict[str, str]) -> None:
    with Client(written(places)) as node, pytest.raises(NodeUnreachable, match="/registry/healthz"):
        node.get("/healthz")


@pytest.mark.parametrize(
    "text",
    [
        "regstry=http://a",
        "registry=http://a,registry=http://b",
        "registry=",
        "registry=http://a,",
        "registry=http://a,http://b",
    ],
)
def test_addresses_that_cannot_be_told_apart_are_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(NodeUnreachable, match="Name each of issuer, registry, verifier, notifier at most once"):
        Client(text)


def test_nobody_at_one_of_the_addresses_is_said_with_that_address(places: dict[str, str]) -> None:
    with Client(f"registry={places['registry']},issuer=http://127.0.0.1:1") as node:
        with pytest.raises(NodeUnreachable, match=r"No node answers at http://127\.0\.0\.1:1\."):
            node.get("/issuer/credentials")
        assert node.get("/registry/readyz")["name"] == "registry"


def test_the_command_line_takes_the_addresses_from_the_environment(
    places: dict[str, str], folder: NodeSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TESTAMUR_URL", written({**places, "issuer": "http://127.0.0.1:1"}))
    line = ["status", "0d1f5a52-7a0e-4a7c-9d68-0e7f3d5f7b11", "--json"]
    assert command.run(line) == Code.FINE
    assert json.loads(capsys.readouterr().out)["name"] == "registry"
    monkeypatch.setenv("TESTAMUR_URL", "regstry=http://127.0.0.1:1")
    assert command.run(line) == Code.UNREACHABLE


def test_a_token_of_the_folder_goes_to_the_services_named_beside_its_registry(folder: NodeSettings) -> None:
    with connect("registry=http://registry:8401,issuer=http://issuer:8402", None) as node:
        assert node._http.headers["Authorization"].startswith("Bearer ey")
    with connect("http://registry:8401", None) as node:
        assert node._http.headers["Authorization"].startswith("Bearer ey")


@pytest.mark.parametrize("url", ["registry=http://stranger:8401,issuer=http://issuer:8402", "issuer=http://registry:8401"])
def test_a_token_of_the_folder_goes_to_no_stranger(url: str, folder: NodeSettings) -> None:
    with connect(url, None) as node:
        assert "Authorization" not in node._http.headers


def test_one_address_of_several_that_is_no_url_is_refused(folder: NodeSettings) -> None:
    with pytest.raises(Misconfigured, match="is no URL"):
        connect("registry=http://registry:8401,issuer=8402", None)


def test_init_makes_a_folder_and_runs_nothing_and_is_harmless_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    line = ["init", "--node", "pt", "--json"]
    assert command.run(line) == Code.FINE
    made = {path: path.read_bytes() for path in Path("testamur-pt").rglob("*") if path.is_file()}
    assert json.loads(capsys.readouterr().out) == {
        "folder": "testamur-pt",
        "node": "pt",
        "federation": "testamur",
        "version": 1,
    }
    assert command.run(line) == Code.FINE
    assert {path: path.read_bytes() for path in Path("testamur-pt").rglob("*") if path.is_file()} == made
    assert Home(NodeSettings.load(node="pt")).held.version == 1
