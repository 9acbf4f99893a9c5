"""Each house lint fires on what it forbids, at the right line, and lets pass what is meant to be there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lints import LINTS, __main__, look_at, look_at_tree
from tests.lints.borders import (
    clock_is_asked_in_one_place,
    consumer_takes_bytes,
    outgoing_http_has_one_door,
    print_is_for_the_command_line,
    tokens_are_read_in_one_place,
    vendor_is_known_to_its_adapter,
)
from tests.lints.events import event_holds_no_person, is_personal, what_is_said_stays_said
from tests.lints.pages import front_page_is_short, prose_is_narrow
from tests.lints.shape import (
    file_is_short,
    function_is_short,
    function_takes_few,
    module_is_introduced,
    name_says_something,
    package_names_what_is_in_it,
    public_name_is_documented,
    sentence_is_short,
)
from tests.lints.source import Lint, Source
from tests.lints.words import (
    its_own_is_english,
    no_machine_is_named,
    no_package_registry_is_named,
    nothing_is_left_unfinished,
)

EVENT = "shared/events/status.py"
COMMANDS = "services/registry/trust/commands.py"
LONG = "def f():\n" + "    x = 1\n" * 40

# each is split, so that this file does not break the rule that it tests
UNFINISHED = "TO" + "DO"
REGISTRY = "py" + "pi.org"
OWN = "the " + "own"
HOME = "/ho" + "me/ada/keys"

IN_PACKAGE = ("letters", "stamps")
"""What lies in the folder of a package in these cases."""

BROKEN: list[tuple[Lint, str, str, int]] = [
    (file_is_short, "shared/a.py", "x = 1\n" * 301, 301),
    (file_is_short, "tests/unit/test_a.py", "x = 1\n" * 401, 401),
    (function_is_short, "shared/a.py", LONG, 1),
    (function_is_short, "tests/a.py", "class A:\n    async " + LONG.replace("\n", "\n    "), 2),
    (function_takes_few, "shared/a.py", "class A:\n    def f(self, a, b, c, d, /, e, f, g, *, h, i): ...\n", 2),
    (sentence_is_short, "tests/unit/test_a.py", f"async def test_{'a' * 86}(): ...\n", 1),
    (module_is_introduced, "tests/unit/a.py", "x = 1\n", 1),
    (package_names_what_is_in_it, "shared/post/__init__.py", '"""Post: `letters`, and stamps."""\n', 1),
    (package_names_what_is_in_it, "services/post/__init__.py", "", 1),
    (public_name_is_documented, "shared/a.py", "class A:\n    '''A.'''\n    def b(self): ...\n", 3),
    (public_name_is_documented, "testamur.py", "async def b(): ...\n", 1),
    (name_says_something, "shared/utils.py", "", 1),
    (name_says_something, "shared/a.py", "class KeyManager: ...\n", 1),
    (clock_is_asked_in_one_place, "shared/a.py", "import time\nx = time.monotonic()\n", 2),
    (clock_is_asked_in_one_place, "services/a.py", "from datetime import datetime as dt\nf(default=dt.now)\n", 2),
    (clock_is_asked_in_one_place, "shared/a.py", "import datetime\ndatetime.datetime.utcnow()\n", 2),
    (clock_is_asked_in_one_place, "tests/unit/a.py", "from time import perf_counter\nperf_counter()\n", 2),
    (tokens_are_read_in_one_place, "services/a.py", "from jwcrypto.jws import JWS\n", 1),
    (tokens_are_read_in_one_place, "shared/a.py", "import jwt\n", 1),
    (tokens_are_read_in_one_place, "shared/trust/a.py", "from cryptography.hazmat.primitives.asymmetric import ec\n", 1),
    (tokens_are_read_in_one_place, "shared/a.py", "def f(t):\n    return b64decode(t.split('.')[1])\n", 1),
    (vendor_is_known_to_its_adapter, "shared/log/relay.py", "import aiokafka.errors\n", 1),
    (vendor_is_known_to_its_adapter, "shared/store/sqlite/store.py", "from pymongo import MongoClient\n", 1),
    (
        vendor_is_known_to_its_adapter,
        "shared/bus/open.py",
        "from importlib import import_module\nimport_module('motor')\n",
        2,
    ),
    (outgoing_http_has_one_door, "services/notifier/a.py", "import httpx2\n", 1),
    (outgoing_http_has_one_door, "shared/a.py", "from urllib import request\n", 1),
    (print_is_for_the_command_line, "shared/a.py", "\nprint(1)\n", 2),
    (consumer_takes_bytes, "shared/bus/kafka/bus.py", "Consumer(\n    value_deserializer=loads)\n", 2),
    (event_holds_no_person, EVENT, "class E(Event):\n    holder_birth_date: str\n", 2),
    (event_holds_no_person, EVENT, "class E(Event):\n    name: str\n", 2),
    (what_is_said_stays_said, EVENT, "class E(Event):\n    model_config = ConfigDict(frozen=False)\n", 1),
    (what_is_said_stays_said, EVENT, "class E(BaseModel):\n    model_config = ConfigDict(extra='ignore')\n", 1),
    (what_is_said_stays_said, EVENT, "class E(BaseModel):\n    x: int\n", 1),
    (what_is_said_stays_said, EVENT, "class E(Event):\n    model_config = ConfigDict(extra='forbid')\n", 1),
    (what_is_said_stays_said, EVENT, "@dataclass(slots=True)\nclass E:\n    x: int\n", 2),
    (what_is_said_stays_said, COMMANDS, "class C(Command):\n    model_config = ConfigDict(extra='ignore')\n", 1),
    (what_is_said_stays_said, COMMANDS, "class C(BaseModel):\n    x: int\n", 1),
    (nothing_is_left_unfinished, "README.md", f"\nand {UNFINISHED}: more\n", 2),
    (no_package_registry_is_named, "Makefile", f"pip install -i https://{REGISTRY}\n", 1),
    (no_package_registry_is_named, "requirements.lock", "--index-url http://mirror.example:8080/py/" + "simple\n", 1),
    (no_machine_is_named, "docs/a.md", f"keys lie in `{HOME}`\n", 1),
    (its_own_is_english, "shared/a.py", f"x = '{OWN} log'\n", 1),
    (no_machine_is_named, "shared/a.py", "x = '/t" + "mp/x'\n", 1),
    (prose_is_narrow, "docs/a.md", "```sh\n```\n\n" + "prose " * 20 + "p\n", 4),
    (front_page_is_short, "README.md", "õ" * 4_500 + "\n", 1),
]

SOUND: list[tuple[Lint, str, str]] = [
    (file_is_short, "shared/a.py", "x = 1\n" * 300),
    (file_is_short, "tests/unit/test_a.py", "x = 1\n" * 400),
    (file_is_short, "docs/api/a.json", "{}\n" * 900),
    (
        function_is_short,
        "shared/a.py",
        "@b\n" * 9 + LONG.replace("():\n", "():\n    '''Long.\n\n    Longer.'''\n").removesuffix("    x = 1\n"),
    ),
    (function_takes_few, "shared/a.py", "class A:\n    def f(self, a, b, c, d, /, e, f, g, *, h): ...\n"),
    (function_takes_few, "services/cli/a.py", "def f(a, b, c, d, e, f, g, h, i): ...\n"),
    (sentence_is_short, "tests/unit/test_a.py", f"def test_{'a' * 85}(): ...\ndef {'a' * 91}(): ...\n"),
    (package_names_what_is_in_it, "shared/post/__init__.py", '"""Post.\n\nRead `letters`, then `stamps`."""\n'),
    (package_names_what_is_in_it, "tests/post/__init__.py", ""),
    (module_is_introduced, "shared/__init__.py", ""),
    (public_name_is_documented, "shared/a.py", "def _a(): ...\nclass B:\n    '''B.'''\n    def _c(self): ...\n"),
    (public_name_is_documented, "shared/a.py", "def a():\n    '''A.'''\n    def b(): ...\n"),
    (public_name_is_documented, "tests/unit/test_a.py", "def test_a(): ...\n"),
    (name_says_something, "services/a.py", "class ServiceIndex: ...\nclass Service: ...\n"),
    (clock_is_asked_in_one_place, "shared/clock.py", "import time\ntime.monotonic()\n"),
    (clock_is_asked_in_one_place, "tests/bench/a.py", "import time\ntime.perf_counter()\n"),
    (clock_is_asked_in_one_place, "shared/a.py", "import time\ntime.sleep(1)\nself.clock.monotonic()\nclock.now()\n"),
    (
        tokens_are_read_in_one_place,
        "shared/jose/a.py",
        "import jwcrypto\ndef f(t):\n    return b64decode(t.split('.')[1])\n",
    ),
    (tokens_are_read_in_one_place, "tests/unit/a.py", "from jwcrypto.jwk import JWK\n"),
    (
        tokens_are_read_in_one_place,
        "shared/a.py",
        "def f(t):\n    return t.split('.')\ndef g(t):\n    return b64decode(t)\n",
    ),
    (vendor_is_known_to_its_adapter, "shared/bus/kafka/consumer.py", "import aiokafka\n"),
    (vendor_is_known_to_its_adapter, "shared/bus/sqlite/log.py", "import sqlite3\n"),
    (vendor_is_known_to_its_adapter, "shared/a.py", "import motorway\n"),
    (outgoing_http_has_one_door, "shared/web/outgoing/fetch.py", "import httpx2\n"),
    (outgoing_http_has_one_door, "shared/a.py", "from urllib.parse import urlsplit\n"),
    (print_is_for_the_command_line, "services/cli/a.py", "print(1)\n"),
    (print_is_for_the_command_line, "shared/a.py", "console.print(1)\n"),
    (consumer_takes_bytes, "shared/bus/kafka/bus.py", "Consumer(enable_auto_commit=False)\n"),
    (event_holds_no_person, EVENT, "class InstitutionAccredited(Event):\n    name: Text\n    renamed: bool\n"),
    (what_is_said_stays_said, EVENT, "class E(Event):\n    x: int\n@dataclass(frozen=True)\nclass F: ...\n"),
    (what_is_said_stays_said, EVENT, "class E(BaseModel):\n    model_config = ConfigDict(frozen=True, extra='ignore')\n"),
    (what_is_said_stays_said, COMMANDS, "class C(BaseModel):\n    model_config = ConfigDict(frozen=True, extra='forbid')\n"),
    (what_is_said_stays_said, "services/registry/domain.py", "@dataclass\nclass Draft: ...\n"),
    (nothing_is_left_unfinished, "README.md", "all is done, method and hackathon\n"),
    (no_package_registry_is_named, "requirements.lock", "pydantic==2.12 --hash=sha256:00\n"),
    (no_machine_is_named, "deploy/compose.yaml", "tmpfs: /tmp\nvolumes: [/var/lib/testamur, /etc/testamur]\n"),
    (its_own_is_english, "docs/a.md", "its own log, and the owner's own log\n"),
    (no_machine_is_named, "docs/a.md", "https://example.org/home/page and {base}/work/1\n"),
    (
        prose_is_narrow,
        "docs/a.md",
        "prose " * 19 + "prosee\n| " + "a cell " * 99 + "|\n  ```sh\n  " + "word " * 99 + "\n  ```\n",
    ),
    (prose_is_narrow, "docs/a.md", "https://example.org/" + "x" * 200 + "\n"),
    (prose_is_narrow, "examples/a.yaml", "word " * 99),
    (front_page_is_short, "README.md", "a" * 9_000),
    (front_page_is_short, "docs/README.md", "a" * 9_001),
]


def findings(lint: Lint, path: str, text: str) -> list[int]:
    """The lines at which one lint finds a breach."""
    return [found.line for found in lint(Source(path, text, IN_PACKAGE if path.endswith("__init__.py") else ()))]


def name(case: tuple[object, ...]) -> str:
    """What a case is called in the report."""
    return getattr(case[0], "__name__", "")


@pytest.mark.parametrize("case", BROKEN, ids=name)
def test_a_lint_fires_once_at_the_line_that_breaks_its_rule(case: tuple[Lint, str, str, int]) -> None:
    lint, path, text, line = case
    assert findings(lint, path, text) == [line]


@pytest.mark.parametrize("case", SOUND, ids=name)
def test_a_lint_lets_pass_what_keeps_to_its_rule(case: tuple[Lint, str, str]) -> None:
    assert findings(*case) == []


def test_every_lint_is_shown_to_fire_and_to_let_pass_and_says_its_rule() -> None:
    assert {case[0] for case in BROKEN} == set(LINTS) == {case[0] for case in SOUND}
    assert all(lint.__doc__ for lint in LINTS)


def test_a_breach_is_reported_as_path_line_and_sentence() -> None:
    assert look_at(Source("shared/a.py", '"""A."""\nprint(1)\n')) == [
        "shared/a.py:2 print belongs to services/cli: log it by shared.telemetry"
    ]


def test_a_tree_is_walked_through_its_rooms_and_not_through_what_was_built(tmp_path: Path) -> None:
    for room in ("shared", "shared/.cache", "build", ".venv/lib", "deploy"):
        (tmp_path / room).mkdir(parents=True)
        (tmp_path / room / "a.txt").write_text(UNFINISHED)
    (tmp_path / "README.md").write_text(UNFINISHED)
    assert [line.partition(":")[0] for line in look_at_tree(tmp_path)] == ["README.md", "deploy/a.txt", "shared/a.txt"]


def test_a_breach_makes_the_command_fail_and_none_lets_it_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(__main__, "ROOT", tmp_path)
    assert __main__.main() == 0
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "a.py").write_text("x = 1\n")
    assert __main__.main() == 1


@pytest.mark.parametrize("member", ["email", "given_name", "date_of_birth", "holder_id", "home_address"])
def test_a_member_that_speaks_of_a_person_is_known_by_its_words(member: str) -> None:
    assert is_personal("CredentialIssued", member)


@pytest.mark.parametrize("member", ["institution", "renamed", "status_index", "kid"])
def test_a_member_that_only_sounds_alike_is_not_taken_for_a_person(member: str) -> None:
    assert not is_personal("CredentialIssued", member)
