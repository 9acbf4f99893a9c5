"""Where the process form of the engines lies, and what is missing of it: fetched once by fetch.py, shared by all checkouts.

`${XDG_CACHE_HOME:-$HOME/.cache}/testamur/engines` holds `kafka-VERSION/` (jars, and the archive of classes that shortens
a broker's start), `mongod-VERSION` and `ssl/` (the OpenSSL 1.1 that this mongod wants). Each is whole and checked, or not
there. A mongod on PATH serves too.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

KAFKA_VERSION = "4.3.1"
"""As in pom.xml."""
MONGO_VERSION = "8.2.0"
"""The mongod that is fetched."""
OLDEST_JAVA = 17
"""Kafka 4 brokers run on nothing older."""
OLDEST_MONGO = 8
"""A mongod on PATH is used from this version on: the adapter's bulk writes need it."""

_SSL_LIBRARIES = ("libssl.so.1.1", "libcrypto.so.1.1")


def folder() -> Path:
    """The cache's folder; it may not exist yet."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "testamur" / "engines"


def jars() -> Path:
    """The folder of Kafka's jars."""
    return folder() / f"kafka-{KAFKA_VERSION}"


def class_archive() -> Path:
    """What the JVM keeps of loaded classes; it is used where it fits, and fits nothing but these jars and this Java."""
    return jars() / "classes.jsa"


def fetched_mongod() -> Path:
    """The fetched mongod."""
    return folder() / f"mongod-{MONGO_VERSION}"


def ssl() -> Path:
    """The folder of the two libraries of OpenSSL 1.1."""
    return folder() / "ssl"


def why_no_kafka() -> str:
    """Why Kafka and MirrorMaker cannot run as processes here; empty when they can."""
    return why_no_java() or ("" if jars().is_dir() else "its jars are not in the cache (make engines)")


def why_no_mongo() -> str:
    """Why MongoDB cannot run as a process here; empty when it can."""
    if mongod_on_path():
        return ""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return f"no mongod {OLDEST_MONGO} or newer is on PATH, and the one that could be fetched is for Linux on x86_64"
    if not fetched_mongod().exists():
        return "mongod is neither on PATH nor in the cache (make engines)"
    return (
        "" if ssl().is_dir() or system_has_ssl() else "its OpenSSL 1.1 is neither installed nor in the cache (make engines)"
    )


def mongod() -> Path:
    """The mongod to run: PATH's, else the fetched one."""
    return mongod_on_path() or fetched_mongod()


def mongod_environment() -> dict[str, str]:
    """What the environment of that mongod must hold."""
    return {"LD_LIBRARY_PATH": str(ssl())} if not mongod_on_path() and ssl().is_dir() else {}


@lru_cache
def mongod_on_path() -> Path | None:
    """A mongod on PATH, if it is new enough."""
    found = shutil.which("mongod")
    version = re.search(r"db version v(\d+)", _said(found, "--version")) if found else None
    return Path(found) if found and version and int(version[1]) >= OLDEST_MONGO else None


@lru_cache
def why_no_java() -> str:
    """Why no broker can run by this machine's Java; empty when one can."""
    if not shutil.which("java"):
        return f"no java is on PATH (Kafka needs Java {OLDEST_JAVA})"
    version = re.search(r'version "(\d+)', _said("java", "-version"))
    if version and int(version[1]) >= OLDEST_JAVA:
        return ""
    return f"the java on PATH is older than Java {OLDEST_JAVA}"


@lru_cache
def system_has_ssl() -> bool:
    """Whether this machine's own linker finds OpenSSL 1.1."""
    linker = shutil.which("ldconfig", path=f"{os.environ.get('PATH', '')}:/sbin:/usr/sbin")
    known = _said(linker, "-p") if linker else ""
    return all(library in known for library in _SSL_LIBRARIES)


def _said(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout + done.stderr
