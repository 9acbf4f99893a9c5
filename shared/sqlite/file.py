"""One SQLite file: every adapter opens it the same way, and refuses one that is not its own.

- Write-ahead log with `synchronous=FULL`: a commit returns once the log is on the disk (`NORMAL` loses acknowledged
  writes in a power cut), and readers never wait for the writer.
- `secure_delete` overwrites what is deleted, so that an erased key is not left in a free page.
- `application_id` says whose file it is and `user_version` which layout it has (https://sqlite.org/pragma.html).
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from shared.errors import Misconfigured

BUSY_SECONDS = 5.0
"""How long a writer waits for another process's transaction before it gives up."""

STATEMENTS = 512
"""Compiled statements kept per connection; more than all the collections of one service need."""

_JOURNAL_ATTEMPTS = 200
"""Changing the journal mode ignores the busy timeout, so that two processes making one file need a loop of their own."""

_FATAL = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class FileKind(NamedTuple):
    """What a file holds: a word for people, its application id, the newest layout that this program reads, its page size."""

    noun: str
    application: int
    layout: int
    page_bytes: int


def is_fatal(error: sqlite3.Error) -> bool:
    """Whether the disk or the file itself failed; what was written since the last commit is then unknown."""
    return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _FATAL


def directory_of(url: str, setting: str) -> Path:
    """The folder in `sqlite:///relative/dir` or `sqlite:////absolute/dir`, made for its owner alone when it is missing."""
    parts = urlsplit(url)
    if parts.netloc or parts.query or parts.fragment or len(parts.path) < 2:
        raise Misconfigured(
            f"{setting} has another form than sqlite:///folder or sqlite:////folder; correct it and start again."
        )
    folder = Path(unquote(parts.path[1:]))
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(f"The folder that {setting} names cannot be made; give one that can be written to.") from error
    return folder


def connect(path: Path, kind: FileKind, schema: Sequence[str] = ()) -> sqlite3.Connection:
    """Open or make the file, in autocommit mode, usable from any one thread at a time.

    `schema` are statements that may be repeated, run in the transaction that claims the file. Raises `Misconfigured` when
    the file cannot be opened, belongs to another application or has a newer layout.
    """
    try:
        connection = sqlite3.connect(
            path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=STATEMENTS
        )
    except sqlite3.Error as error:
        raise _unreadable(path, kind) from error
    try:
        _refuse_a_stranger(connection, path, kind)
        _set_up(connection, kind, schema)
        _refuse_a_stranger(connection, path, kind)
    except sqlite3.Error as error:
        connection.close()
        raise _unreadable(path, kind) from error
    except Misconfigured:
        connection.close()
        raise
    return connection


def empty_log(path: Path, kind: FileKind) -> bool:
    """Write the whole write-ahead log into the file and cut it to nothing (`wal_checkpoint(TRUNCATE)`); whether it was done
    before a reader or writer of another process stood in the way for `BUSY_SECONDS`.
    """
    connection = connect(path, kind)
    try:
        busy: int = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    except sqlite3.OperationalError:
        return False
    finally:
        connection.close()
    return not busy


def _unreadable(path: Path, kind: FileKind) -> Misconfigured:
    return Misconfigured(
        f"{path.name} cannot be opened as a {kind.noun}; check that its folder can be written to, or restore it."
    )


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    value: int = connection.execute(f"PRAGMA {name}").fetchone()[0]
    return value


def _is_new(connection: sqlite3.Connection) -> bool:
    marked = _pragma(connection, "application_id") or _pragma(connection, "user_version")
    return not marked and connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None


def _refuse_a_stranger(connection: sqlite3.Connection, path: Path, kind: FileKind) -> None:
    if _is_new(connection):
        return
    if _pragma(connection, "application_id") != kind.application:
        raise Misconfigured(f"{path.name} belongs to another application than a {kind.noun} of ours; name another folder.")
    if _pragma(connection, "user_version") > kind.layout:
        raise Misconfigured(f"{path.name} was written by a newer version of this program; start that version.")


def _set_up(connection: sqlite3.Connection, kind: FileKind, schema: Sequence[str]) -> None:
    connection.execute(f"PRAGMA page_size={kind.page_bytes}")
    _turn_on_the_write_ahead_log(connection)
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA secure_delete=ON")
    connection.execute("BEGIN IMMEDIATE")
    if _is_new(connection):
        connection.execute(f"PRAGMA application_id={kind.application}")
        connection.execute(f"PRAGMA user_version={kind.layout}")
    for statement in schema:
        connection.execute(statement)
    connection.execute("COMMIT")


def _turn_on_the_write_ahead_log(connection: sqlite3.Connection) -> None:
    for attempt in range(_JOURNAL_ATTEMPTS):
        try:
            connection.execute("PRAGMA journal_mode=WAL").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or attempt == _JOURNAL_ATTEMPTS - 1:
                raise
            time.sleep(BUSY_SECONDS / _JOURNAL_ATTEMPTS)
        else:
            return
