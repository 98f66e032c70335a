"""A thread that keeps notes and plots current beside a study, at under 1% of one core."""

from __future__ import annotations

import threading
import time
from typing import Callable, Optional, Sequence

from nas_edge.dashboard.writing import Notebook
from nas_edge.errors import EnvironmentProblem
from nas_edge.study.storage import first_line, sqlite_file, storage_errors

POLL_S = 5.0
REST = 100  # times what an update took on the processor: it takes less than a hundredth of a core
BATCH_S = 1.0  # after which further trials' notes wait for the next update


class Watcher:
    """Updates notebooks until it is stopped.

    Args:
        notebooks: One a study.
        url: Of their storage.
        on_loss: Called once when the storage's file is gone; ``error`` says so.
        on_trouble: Hears of a storage that fails and may come back.
        poll_s: The least time between two looks.
    """

    def __init__(
        self,
        notebooks: Sequence[Notebook],
        url: str,
        on_loss: Callable[[], None],
        on_trouble: Callable[[str], None],
        poll_s: float = POLL_S,
    ) -> None:
        self.error: Optional[EnvironmentProblem] = None
        self._notebooks = notebooks
        self._url = url
        self._on_loss = on_loss
        self._on_trouble = on_trouble
        self._poll_s = poll_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="dashboard-notes", daemon=True)

    def update(self, until: Optional[float] = None) -> bool:
        """Update every notebook; return whether all of them are complete.

        Raises:
            EnvironmentProblem: If the storage fails.
        """
        path = sqlite_file(self._url)
        if path is not None and not path.exists():
            raise EnvironmentProblem(
                f"{path}: the storage is gone; put it back and start the dashboard again"
            )
        with storage_errors(self._url):
            complete = [notebook.update(until) for notebook in self._notebooks]
        return all(complete)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """End after the update that is under way."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _watch(self) -> None:
        rest_s, told = self._poll_s, ""
        while not self._stopped.wait(rest_s):
            begun_s, is_complete = time.thread_time(), True
            try:
                is_complete = self.update(time.monotonic() + BATCH_S)
                told = ""
            except EnvironmentProblem as err:
                if _is_gone(self._url):
                    self.error = err
                    self._on_loss()
                    return
                if str(err) != told:
                    told = str(err)
                    self._on_trouble(told)
            except Exception as err:  # e.g. a study that was deleted; the pages are served on
                if first_line(err) != told:
                    told = first_line(err)
                    self._on_trouble(f"notes and plots are not current: {told}")
            used_s = time.thread_time() - begun_s
            is_running = any(notebook.is_running for notebook in self._notebooks)
            # Nobody is slowed where nothing trains.
            rest_s = max(self._poll_s, REST * used_s) if is_complete or is_running else 0.1


def _is_gone(url: str) -> bool:
    path = sqlite_file(url)
    return path is not None and not path.exists()
