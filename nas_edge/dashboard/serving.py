"""The dashboard from its start to its end: storage, notes, server."""

from __future__ import annotations

import threading
import time
import warnings
from contextlib import ExitStack
from typing import Any, Callable, Optional

from filelock import FileLock, Timeout

from nas_edge.dashboard.server import (
    App,
    Server,
    is_loopback,
    local_only,
    one_at_a_time,
    open_server,
    url_of,
)
from nas_edge.dashboard.target import Target, open_studies, open_target
from nas_edge.dashboard.watching import Watcher
from nas_edge.dashboard.writing import Notebook

FIRST_S = 2.0  # of trials' notes before the page can be opened; the others follow
EXPOSED = (
    "everyone who reaches {host}:{port} can read this study, change it and delete it: the "
    "dashboard has no login and no encryption"
)


def serve_dashboard(
    target: Target,
    *,
    host: str,
    port: int,
    is_port_asked_for: bool,
    on_ready: Callable[[str], None],
    on_note: Callable[[str], None],
) -> None:
    """Serve until interrupted (KeyboardInterrupt ends it as it should end).

    Args:
        target: The run or storage.
        host: Name or address.
        port: The wanted one.
        is_port_asked_for: Whether no other port will do.
        on_ready: Hears the page's URL once it can be opened.
        on_note: Hears what a user should know.
    Raises:
        EnvironmentProblem: If the port is taken, or the storage fails or goes away.
        ConfigError: If the host is none of this machine's.
        StudyError: If the storage holds no study of this project.
    """
    with ExitStack() as stack:
        storage = open_target(target)
        stack.callback(storage.engine.dispose)
        studies = open_studies(target, storage)
        lock = threading.Lock()
        app = one_at_a_time(_app(storage, target), lock)
        server = open_server(
            local_only(app) if is_loopback(host) else app, host, port, is_port_asked_for
        )
        stack.callback(server.server_close)
        if not is_loopback(host):
            on_note(EXPOSED.format(host=host, port=server.server_port))
        watcher = _watcher(target, studies, lock, server, on_note, stack)
        path = (
            f"dashboard/studies/{studies[0]._study_id}/note" if len(studies) == 1 else "dashboard"
        )
        on_ready(url_of(server, host, path))
        server.serve_forever(poll_interval=0.2)
    if watcher is not None and watcher.error is not None:
        raise watcher.error


def _app(storage: Any, target: Target) -> App:
    import optuna
    from optuna_dashboard import wsgi

    store = None
    if target.artifacts is not None:  # the folder itself comes with the first candidate
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # marked experimental
            store = optuna.artifacts.FileSystemArtifactStore(base_path=str(target.artifacts))
    app: App = wsgi(storage, artifact_store=store)
    return app


def _watcher(
    target: Target,
    studies: Any,
    lock: threading.Lock,
    server: Server,
    on_note: Callable[[str], None],
    stack: ExitStack,
) -> Optional[Watcher]:
    """Return who keeps the notes, started and with the first ones written, or None."""
    if not target.can_write:
        on_note(f"{target.shown}: can be read only; notes and plots stay as they are")
        return None
    if target.folder is not None:
        claim = FileLock(str(target.folder / ".dashboard.lock"), timeout=0)
        try:
            stack.enter_context(claim)
        except Timeout:
            on_note(f"{target.shown}: another dashboard keeps the notes and plots current")
            return None
        except OSError:  # a folder that can only be read, with its trials in another storage
            pass
    where = None if target.folder is None else str(target.folder)
    notebooks = [
        Notebook(
            study,
            where,
            target.task,
            target.artifacts,
            target.accuracy_frontier,
            while_writing=lambda: lock,
        )
        for study in studies
    ]
    watcher = Watcher(notebooks, target.url, server.shutdown, on_note)
    watcher.update(time.monotonic() + FIRST_S)
    watcher.start()
    stack.callback(watcher.stop)
    return watcher
