"""The store: vectors on disk, each computed once, shared by processes, never trusted blindly.

A folder with one SQLite file, which says where the vector of each text lies, and flat files with the vectors. Rows are
written first and announced afterwards in one transaction, so that a run killed at any moment leaves nothing that could
be taken for a vector. Whatever is wrong with the files costs a warning and time, never a score.
"""

from __future__ import annotations

import json
import sqlite3
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from pytest_embedeval.memory import shown_size
from pytest_embedeval.models.info import Recipe
from pytest_embedeval.vectors.segments import set_aside
from pytest_embedeval.vectors.shelf import Shelf

SCHEMA = 1
KEYS = "keys.sqlite3"
_PATIENCE_S = 30.0
_TABLES = """
CREATE TABLE recipes (
    id INTEGER PRIMARY KEY AUTOINCREMENT, digest TEXT NOT NULL UNIQUE, source TEXT NOT NULL, facts TEXT NOT NULL,
    used REAL NOT NULL
);
CREATE TABLE batches (
    id INTEGER PRIMARY KEY AUTOINCREMENT, recipe INTEGER NOT NULL REFERENCES recipes (id), segment TEXT NOT NULL,
    first INTEGER NOT NULL, texts BLOB NOT NULL, checks BLOB NOT NULL, tokens BLOB NOT NULL, seconds REAL NOT NULL
);
CREATE INDEX batches_of_recipe ON batches (recipe, id);
CREATE TABLE claims (
    recipe INTEGER NOT NULL REFERENCES recipes (id), text BLOB NOT NULL, PRIMARY KEY (recipe, text)
) WITHOUT ROWID;
"""

Warn = Callable[[str], None]

# SQLite's own messages may quote a damaged file, and Python then fails to decode them.
_FAULTS = (sqlite3.Error, OSError, UnicodeDecodeError)
_Fault = sqlite3.Error | OSError | UnicodeDecodeError


class StoreWarning(UserWarning):
    """The store could not be used as it was found; the run goes on."""


def _warn(message: str) -> None:
    warnings.warn(message, StoreWarning, stacklevel=2)


class Store:
    """The vectors kept in one folder.

    Parameters
    ----------
    folder
        Made when it is missing.
    warn
        Told once for each thing that is wrong with the files; None for Python's warnings.
    """

    def __init__(self, folder: Path, warn: Warn | None = None) -> None:
        self.folder = folder / "vectors"
        self.can_write = True  # once it is not, a warning was given
        self._warn = warn or _warn
        self._shelves: dict[str, Shelf] = {}
        self._inode: int | None = None
        self._database = self._open()
        self.can_write = self.is_open

    @property
    def segments(self) -> Path:
        """The folder of the flat files."""
        return self.folder / "segments"

    @property
    def is_open(self) -> bool:
        """Whether the files can be used."""
        return self._database is not None

    @property
    def database(self) -> sqlite3.Connection:
        """The open database.

        Raises
        ------
        sqlite3.ProgrammingError
            The store is closed, or its files were found unusable.
        """
        if self._database is None:
            raise sqlite3.ProgrammingError("the store is closed")
        return self._database

    def shelf(self, recipe: Recipe, source: str) -> Shelf | None:
        """Return the vectors of one recipe; None where the store cannot be used.

        Parameters
        ----------
        source
            What the model is called in listings.
        """
        with self.using():
            if self.database and recipe.digest not in self._shelves:
                number = self._number_of(recipe, source)
                if number is not None:
                    self._shelves[recipe.digest] = Shelf(self, number, recipe)
            return self._shelves.get(recipe.digest)
        return None

    def close(self) -> None:
        """Close all files."""
        for shelf in self._shelves.values():
            shelf.close()
        self._shelves.clear()
        if self._database is not None:
            self._database.close()
            self._database = None

    @contextmanager
    def using(self) -> Iterator[None]:
        """Let nothing that is wrong with the files through: warn, and go on with less of the store, or without it."""
        try:
            yield
        except _FAULTS as error:
            self._lose(error)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write all or nothing, one writer at a time."""
        database = self.database
        database.execute("BEGIN IMMEDIATE")
        try:
            yield database
            database.execute("COMMIT")
        except BaseException:
            if database.in_transaction:  # SQLite itself ends it when the disk is full, for one
                database.execute("ROLLBACK")
            raise

    def tell(self, problem: str) -> None:
        """Warn of a problem, with the folder."""
        self._warn(f"vector store {self.folder}: {problem}")

    def _open(self) -> sqlite3.Connection | None:
        path = self.folder / KEYS
        for attempt in ("as it is", "afresh"):
            database = None
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                self._inode = _inode(path)
                database = sqlite3.connect(path, timeout=_PATIENCE_S, isolation_level=None, check_same_thread=False)
                return self._checked(database)
            except _FAULTS as error:
                if database is not None:
                    database.close()
                if (_is_damage(error) or path.is_dir()) and attempt == "as it is":
                    self._set_aside(error)
                    continue
                self.tell(f"cannot be opened ({_reason(error)}); vectors are computed anew and not kept")
            break
        return None

    def _checked(self, database: sqlite3.Connection) -> sqlite3.Connection | None:
        # Safe against a killed process as it is; what a power failure may leave behind is found by the checks of rows
        # and files, and costs time only. Waiting for the disk would cost some at every batch.
        database.execute("PRAGMA synchronous = OFF")
        database.execute("PRAGMA foreign_keys = ON")  # nothing is added to what another process has removed
        found = _version(database)
        if found == 0:
            database.execute("BEGIN IMMEDIATE")  # another process may be making the tables at this moment
            if _version(database) == 0:
                for statement in filter(str.strip, _TABLES.split(";")):
                    database.execute(statement)
                database.execute(f"PRAGMA user_version = {SCHEMA}")
            database.execute("COMMIT")
            found = _version(database)
        if found > SCHEMA:
            self.tell(
                f"was written by a newer pytest-embedeval (schema {found}, this one reads {SCHEMA}); it is left as it "
                "is, and vectors are computed anew: upgrade, or name another folder with --embedeval-cache"
            )
            database.close()
            return None
        return database

    def _number_of(self, recipe: Recipe, source: str) -> int | None:
        said = source.encode(errors="backslashreplace").decode()  # a path may hold bytes that are no characters
        query = "SELECT id FROM recipes WHERE digest = ?"
        known = self.database.execute(query, [recipe.digest]).fetchone()
        with self.using():
            with self.transaction() as database:
                database.execute(
                    "INSERT INTO recipes (digest, source, facts, used) VALUES (?, ?, ?, ?) "
                    "ON CONFLICT (digest) DO UPDATE SET used = excluded.used",
                    [recipe.digest, said, json.dumps(asdict(recipe), sort_keys=True), time.time()],
                )
            known = self.database.execute(query, [recipe.digest]).fetchone()
        return int(known[0]) if known else None

    def _lose(self, error: _Fault) -> None:
        if _is_damage(error):
            if self._database is not None:
                self._database.close()
                self._database = None
                self.can_write = False
                self._set_aside(error)
        elif self.can_write:
            self.can_write = False
            self.tell(f"cannot be used as it should ({_reason(error)}); vectors computed from now on are not kept")
            if self._database is not None:
                self._database.execute("PRAGMA busy_timeout = 0")  # who waited once in vain waits no more

    def _set_aside(self, error: _Fault) -> None:
        path = self.folder / KEYS
        if self._inode not in (None, _inode(path)):
            return  # another process was faster, and this is its fresh one
        try:
            size = shown_size(path.stat().st_size)
            aside = set_aside(path)
        except OSError as problem:
            self.tell(f"{KEYS} is damaged ({_reason(error)}) and cannot be set aside ({_reason(problem)})")
        else:
            kept = f"its {size} are kept as {aside.name}, and vectors computed anew"
            self.tell(f"{KEYS} is damaged ({_reason(error)}); {kept}")


def _version(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def _is_damage(error: _Fault) -> bool:
    """Whether the file is not what it should be; locked, read-only and full are states of its surroundings."""
    if isinstance(error, UnicodeDecodeError):
        return True
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return isinstance(error, sqlite3.OperationalError)  # a text that is none
    # Our statements are correct, so that an error in one of them is one of the tables.
    return code & 0xFF in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _reason(error: _Fault) -> str:
    if isinstance(error, sqlite3.IntegrityError):
        return "another process removed the entry of the model"
    if isinstance(error, UnicodeDecodeError):
        return "a text that is none"
    said = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return said.partition(" with text ")[0]  # what cannot be decoded cannot be shown


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None
