"""Optuna's storage: SQLite as a running study and its dashboard need it, or any other database.

SQLite is opened in write-ahead mode with ``synchronous=NORMAL`` (0.07 s a trial instead of 0.5 s)
and a busy timeout, so that the dashboard beside a running study does not lock it out.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Dict, Iterator, Optional
from urllib.parse import quote

from nas_edge.errors import ConfigError, EnvironmentProblem

BUSY_TIMEOUT_S = 60.0
CREATION_TRIES = 10
MYSQL_EPOCHS = 150  # Optuna's column holds 64 KB on MySQL; measurement.json has every epoch
# Modules, the preferred first, by their names in a URL. Of a URL that names none, SQLAlchemy 2.0
# takes psycopg2 and MySQLdb, 2.1 psycopg.
_DRIVERS: Dict[str, Dict[str, str]] = {
    "postgresql": {"psycopg2": "psycopg2", "psycopg": "psycopg"},
    "mysql": {"MySQLdb": "mysqldb", "pymysql": "pymysql"},
}


def keeps_every_epoch(url: str, epochs: int) -> bool:
    """Return whether a database takes so long a history whole."""
    return not url.startswith("mysql") or epochs <= MYSQL_EPOCHS


def open_storage(url: str, for_reading: bool = False) -> Any:
    """Return Optuna's storage for a database URL.

    Args:
        url: Of the database.
        for_reading: Nothing is made or changed, so that a read-only folder will do.
    Raises:
        ConfigError: If the URL is malformed or its driver is not installed.
        EnvironmentProblem: If the database cannot be reached or is of another Optuna version.
    """
    import optuna
    import sqlalchemy

    optuna.logging.set_verbosity(optuna.logging.ERROR)  # what matters is told in our own words
    url = check_url(url)
    try:
        if for_reading:
            return _connect(
                _read_only(url), skip_compatibility_check=True, skip_table_creation=True
            )
        return _connect_first(url)
    except EnvironmentProblem:
        raise
    except RuntimeError as err:  # Optuna: the schema is of another version
        raise EnvironmentProblem(
            f"{mask(url)}: {first_line(err)}; use the Optuna that made it, or "
            "`optuna storage upgrade`"
        ) from err
    except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.OptunaError, OSError) as err:
        raise EnvironmentProblem(
            f"{mask(url)}: the storage cannot be opened ({_cause(err)}){_next_step(err, url)}"
        ) from err


def check_url(url: str) -> str:
    """Return a database URL with its driver named, one that is installed.

    Raises:
        ConfigError: If the URL is malformed or its driver is not installed.
    """
    import sqlalchemy

    try:
        parsed = sqlalchemy.engine.make_url(url)
        drivers = _DRIVERS.get(parsed.drivername, {})
        installed = [driver for driver in drivers if find_spec(driver)]
        if installed:  # SQLAlchemy's own choice changes between its versions
            parsed = parsed.set(drivername=f"{parsed.drivername}+{drivers[installed[0]]}")
        parsed.get_dialect().import_dbapi()
    except sqlalchemy.exc.NoSuchModuleError:
        raise ConfigError(
            f"--storage {mask(url)}: must be of a database that SQLAlchemy knows, "
            "such as postgresql or mysql"
        ) from None
    except (sqlalchemy.exc.ArgumentError, ValueError):  # ValueError: a port that is no number
        raise ConfigError(
            "--storage must be a database URL such as postgresql://user:password@host/name, "
            f"but got {mask(url)}"
        ) from None
    except ImportError as err:
        raise ConfigError(
            f"--storage {mask(url)}: its driver is missing ({first_line(err)}); "
            "install nas-edge[postgres] or nas-edge[mysql]"
        ) from err
    if parsed.drivername.startswith("sqlite") and parsed.database in (None, "", ":memory:"):
        raise ConfigError(f"--storage must be a file or a server, but {url} is lost with the run")
    return str(parsed.render_as_string(hide_password=False))


@contextlib.contextmanager
def storage_errors(url: str) -> Iterator[None]:
    """Turn a lost or full database into one line; the study goes on with the same command."""
    import optuna
    import sqlalchemy

    try:
        yield
    except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError) as err:
        raise EnvironmentProblem(
            f"{mask(url)}: the storage failed ({_cause(err)})"
            + (
                _next_step(err, url)
                or "; nothing finished is lost: run the same command again once it is back"
            )
        ) from err


def mask(url: str) -> str:
    """Return the URL without its password."""
    import sqlalchemy

    try:
        return str(sqlalchemy.engine.make_url(url).render_as_string(hide_password=True))
    except (sqlalchemy.exc.ArgumentError, ValueError):
        return re.sub(r":[^:@/]*@", ":***@", url)


def sqlite_file(url: str) -> Optional[Path]:
    """Return the file of an SQLite URL, or None for another database."""
    import sqlalchemy

    parsed = sqlalchemy.engine.make_url(url)
    if not parsed.drivername.startswith("sqlite") or not parsed.database:
        return None
    return None if parsed.database.startswith((":memory:", "file:")) else Path(parsed.database)


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]


def _cause(error: BaseException) -> str:
    """Return the first error's first line: what the database said, before others spoke of it."""
    while error.__cause__ is not None:
        error = error.__cause__
    return first_line(error)


def _next_step(error: BaseException, url: str) -> str:
    """Return what to do about a damaged SQLite file, "" for all else."""
    damaged = ("malformed", "not a database", "disk I/O")
    if sqlite_file(url) is None or not any(word in _cause(error) for word in damaged):
        return ""
    return (
        "; its file is damaged: put a copy back, or remove it and run the same command again, "
        "which takes over what the candidates' folders hold"
    )


def _use_write_ahead(url: str) -> None:
    """Put the file into write-ahead mode, which it keeps.

    SQLite's own timeout does not wait for another process that is changing the mode.
    """
    import sqlalchemy

    engine = sqlalchemy.create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S})
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    try:
        while True:
            try:
                with engine.connect() as connection:
                    connection.exec_driver_sql("PRAGMA journal_mode=WAL")
                return
            except sqlalchemy.exc.OperationalError as err:
                if "database is locked" not in str(err) or time.monotonic() >= deadline:
                    raise
                time.sleep(0.1)
    finally:
        engine.dispose()


def _connect(url: str, **options: Any) -> Any:
    import optuna

    is_sqlite = url.startswith("sqlite")
    engine: Dict[str, Any] = {"pool_pre_ping": True}
    if is_sqlite:
        engine = {"connect_args": {"timeout": BUSY_TIMEOUT_S}}
    storage = optuna.storages.RDBStorage(url, engine_kwargs=engine, **options)
    return _configure(storage) if is_sqlite else storage


def _connect_first(url: str) -> Any:
    """Return a storage whose tables are made if they are not there."""
    import sqlalchemy

    if url.startswith("sqlite"):
        # Before Optuna's own first connection, so that its tables are made in this mode too.
        _use_write_ahead(url)
    for _ in range(CREATION_TRIES):
        try:
            return _connect(url)
        except sqlalchemy.exc.SQLAlchemyError as err:
            is_race = isinstance(err, sqlalchemy.exc.IntegrityError) or "already exists" in str(err)
            if not is_race:
                raise
            time.sleep(0.5)  # another worker is making the tables at the same moment
    return _connect(url)


def _read_only(url: str) -> str:
    """Return the URL that opens an SQLite file without writing beside it, if it cannot be written.

    Raises:
        EnvironmentProblem: If there is no such file; SQLite would make one.
    """
    path = sqlite_file(url)
    if path is None:
        return url  # another database
    if not path.is_file():
        raise EnvironmentProblem(f"{path}: the storage is gone")
    if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
        return url
    # "immutable" needs no files beside it, but would not see what is still in the write-ahead log.
    mode = "mode=ro" if Path(f"{path}-wal").exists() else "immutable=1"
    return f"sqlite:///file:{quote(str(path.resolve()))}?{mode}&uri=true"


def _configure(storage: Any) -> Any:
    """Let every connection of an SQLite storage skip the sync that write-ahead makes needless."""
    import sqlalchemy

    @sqlalchemy.event.listens_for(storage.engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA synchronous=NORMAL")

    storage.engine.dispose()  # connections made before this line are not configured
    return storage
